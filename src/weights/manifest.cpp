#include "src/weights/manifest.h"

#include <cmath>

#include "src/support/error.h"
#include "src/support/printable.h"

namespace swag {
namespace {

constexpr char kV1[] = "torchvision IMAGENET1K_V1";
constexpr char kV1Half[] = "torchvision IMAGENET1K_V1, in half precision";
constexpr char kV2[] = "torchvision IMAGENET1K_V2 (the newer training recipe)";

/// An entry of torchvision's: the digits in its files' names are the start of their SHA-256.
ModelFile torchvision(const std::string& name, const std::string& network, const std::string& sha256_prefix,
                      double mebibytes, const std::string& note = kV1) {
  const std::string file = network + "-" + sha256_prefix + ".pth";
  return {name,
          network,
          file,
          "https://download.pytorch.org/models/" + file,
          std::llround(mebibytes * 1024 * 1024),
          sha256_prefix,
          note};
}

}  // namespace

const std::vector<ModelFile>& model_files() {
  static const std::vector<ModelFile> kFiles = {
      torchvision("vgg11", "vgg11", "8a719046", 506.840),
      torchvision("vgg13", "vgg13", "19584684", 507.545),
      torchvision("vgg16", "vgg16", "397923af", 527.796),
      torchvision("vgg19", "vgg19", "dcbb9e9d", 548.051),
      torchvision("vgg11_bn", "vgg11_bn", "6002323d", 506.881),
      torchvision("vgg13_bn", "vgg13_bn", "abd245e5", 507.590),
      torchvision("vgg16_bn", "vgg16_bn", "6c64b313", 527.866),
      torchvision("vgg19_bn", "vgg19_bn", "c79401a0", 548.143),
      torchvision("resnet18", "resnet18", "f37072fd", 44.661),
      torchvision("resnet34", "resnet34", "b627a593", 83.275),
      torchvision("resnet50", "resnet50", "0676ba61", 97.781),
      torchvision("resnet50_v2", "resnet50", "11ad3fa6", 97.790, kV2),
      torchvision("resnet101", "resnet101", "63fe2227", 170.511),
      torchvision("resnet152", "resnet152", "394f9c45", 230.434),
      torchvision("wide_resnet50_2", "wide_resnet50_2", "95faca4d", 131.820, kV1Half),
  };
  return kFiles;
}

const ModelFile& find_model_file(const std::string& name) {
  std::string names;
  for (const ModelFile& file : model_files()) {
    if (file.name == name) return file;
    names += (names.empty() ? "" : ", ") + file.name;
  }
  throw Error(Status::kUsage,
              "no published weights are known for '" + printable(name) + "'; there are " + names);
}

const char* model_licence_note() {
  return "published by the torchvision project and trained on ImageNet, whose terms allow non-commercial "
         "research and education; whether they cover your use is for you to judge";
}

}  // namespace swag
