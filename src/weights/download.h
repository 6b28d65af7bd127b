// One published file over the network, by curl, into a file that nobody else has a hand in.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "src/support/descriptor.h"
#include "src/weights/manifest.h"

namespace swag {

struct DownloadOptions {
  std::string curl;        // its absolute path; empty: not installed
  int stall_seconds = 60;  // without 1000 bytes a second before it is given up
  std::string manual;      // how to do it by hand, for messages: "; by hand: ..."
  /// Called several times a second; an exception ends the download and is passed on.
  std::function<void(int64_t done, int64_t total)> progress;
};

/// Why the open file is not the published one, by its size and its SHA-256, which is returned in `digest`;
/// empty when it is.
std::string download_problem(const ModelFile& file, int descriptor, std::string& digest);

/// Downloads to `path` by way of PATH.part, which stays when the connection breaks and is then continued: a
/// plain file of this user's, no link. Returns `path`, open, and its SHA-256 in `digest`. Throws
/// Error(kWeights) when there is no way to the file or it is not the published one, Error(kOutput) when it
/// cannot be written, Error(kInterrupted).
Descriptor download(const ModelFile& file, const std::string& path, const DownloadOptions& options,
                    std::string& digest);

}  // namespace swag
