// The published weight files that `swag model fetch` knows; the table in manifest.cpp is their one place.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace swag {

struct ModelFile {
  std::string name;     // what people type and the file is called: "resnet50", "resnet50_v2"
  std::string network;  // of make_network
  std::string file;     // as published: "resnet50-0676ba61.pth"
  std::string url;      // https
  int64_t bytes = 0;    // to within 1 KiB: published in MiB with three digits
  std::string sha256;   // 64 hexadecimal digits, or the first 8 where no more are known
  std::string note;     // which training

  bool whole_sha256_known() const { return sha256.size() == 64; }
};

/// Every known file. All are torchvision's, trained on ImageNet-1K.
const std::vector<ModelFile>& model_files();

/// The file of a name, "vgg19". Throws Error(kUsage) that lists the names.
const ModelFile& find_model_file(const std::string& name);

/// What to know about their licence before they are used or passed on.
const char* model_licence_note();

}  // namespace swag
