// The parameters of a network on the host, under torchvision's names, however they came about (src/weights).
#pragma once
#include <map>
#include <string>
#include <vector>

namespace swag {

struct Weights {
  std::string network;
  std::string source;  // what was used, for people: "random (seed 0)", "vgg19.safetensors"
  std::map<std::string, std::vector<float>> values;  // name -> values in torchvision's order and shape
  std::map<std::string, std::string> metadata;       // of the file, or what will be written to one

  /// Throws Error(kInternal) for an unknown name.
  const std::vector<float>& at(const std::string& name) const;
};

}  // namespace swag
