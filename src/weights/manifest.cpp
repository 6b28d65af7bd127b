#include "src/weights/manifest.h"

#include <cmath>

#include "src/support/error.h"
#include "src/support/printable.h"

namespace swag {
namespace {

constexpr char kV1[] = "torchvision IMAGENET1K_V1";
constexpr char kV1Half[] = "torchvision IMAGENET1K_V1, in half precision";
constexpr char kV2[] = "torchvision IMAGENET1K_V2 (the newer training recipe)";

/// An entry of torchvision's: the first 8 digits of a file's SHA-256 stand in its name, and torchvision
/// checks no more. The others were taken from several people's published records of the files, which all
/// agree.
ModelFile torchvision(const std::string& name, const std::string& network, const std::string& sha256,
                      double mebibytes, const std::string& note = kV1) {
  const std::string file = network + "-" + sha256.substr(0, 8) + ".pth";
  return {name,
          network,
          file,
          "https://download.pytorch.org/models/" + file,
          std::llround(mebibytes * 1024 * 1024),
          sha256,
          note};
}

}  // namespace

const std::vector<ModelFile>& model_files() {
  static const std::vector<ModelFile> kFiles = {
      torchvision("vgg11", "vgg11", "8a719046", 506.840),
      torchvision("vgg13", "vgg13", "19584684", 507.545),
      torchvision("vgg16", "vgg16", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                  527.796),
      torchvision("vgg19", "vgg19", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
                  548.051),
      torchvision("vgg11_bn", "vgg11_bn", "6002323d", 506.881),
      torchvision("vgg13_bn", "vgg13_bn", "abd245e5", 507.590),
      torchvision("vgg16_bn", "vgg16_bn", "6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a",
                  527.866),
      torchvision("vgg19_bn", "vgg19_bn", "c79401a0cf3cb42714e4182f5868c7a6f4f4534f5df9e956e2bb2098de41cbb6",
                  548.143),
      torchvision("resnet18", "resnet18", "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
                  44.661),
      torchvision("resnet34", "resnet34", "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
                  83.275),
      torchvision("resnet50", "resnet50", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
                  97.781),
      torchvision("resnet50_v2", "resnet50",
                  "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca", 97.790, kV2),
      torchvision("resnet101", "resnet101",
                  "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a", 170.511),
      torchvision("resnet152", "resnet152",
                  "394f9c45966e3651a89bbb78a48410a6755854ce4a5ab64927cf1c7247f85e58", 230.434),
      torchvision("wide_resnet50_2", "wide_resnet50_2",
                  "95faca4d11227dddf8633dbb5ff6c8a9003c1aa5b8945c73834b8007b10950b8", 131.820, kV1Half),
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
