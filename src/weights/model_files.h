// Getting weight files: PyTorch's format converted, published files fetched, checked and converted. The work
// is done by two programs that most machines have, curl and python3, run without a shell.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "src/weights/manifest.h"

namespace swag {

struct ModelTools {
  std::string curl, python;  // absolute paths; empty: not installed
  std::string converter;     // path of convert_weights.py
};

/// The first of the folders' convert_weights.py. Throws Error(kWeights) that names the folders, and for a
/// script that other people could have written (src/support/trusted_file.h).
std::string find_converter(const std::vector<std::string>& folders);

struct ConvertOptions {
  bool overwrite = false;
  std::string pixels = "auto";  // of convert_weights.py --pixels: auto, torchvision, caffe
  int opened = -1;              // the source as an open file, which is then not looked up by its name again
};

/// Converts a PyTorch file, or a safetensors one under other names, to safetensors, classifiers left out.
/// Throws Error(kWeights) for a file that cannot be read or must not, and when Python is missing;
/// Error(kOutput) when `target` exists and may not be replaced, or cannot be written.
void convert_model(const std::string& source, const std::string& target, const ModelTools& tools,
                   const ConvertOptions& options = {});

struct FetchOptions {
  ModelTools tools;
  bool keep = false;       // the downloaded .pth stays beside the converted file
  int stall_seconds = 60;  // see DownloadOptions
  /// Called several times a second while downloading; an exception ends the download and is passed on.
  std::function<void(int64_t done, int64_t total)> progress;
  std::function<void(const std::string& line)> note;  // told what is worth to know
};

/// Downloads `file` into `folder`, which must exist (an interrupted download is continued), checks size and
/// SHA-256, converts it and checks the result as load_weights does. Returns the path of
/// FOLDER/NAME.safetensors, which appears only when all went well, with NAME.safetensors.sha256 beside it;
/// one that is there already is checked and returned. Throws Error(kWeights), with the way to do it by hand,
/// and Error(kOutput) for the folder.
std::string fetch_model(const ModelFile& file, const std::string& folder, const FetchOptions& options);

/// Compares a file with the note of sha256sum's form beside it, PATH.sha256. Returns its SHA-256, empty when
/// there is no note. Throws Error(kWeights) when they differ.
std::string check_sha256_note(const std::string& path);

}  // namespace swag
