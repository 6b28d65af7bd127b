// VGGs for the pixels of Caffe (BGR, 0 to 255, less a mean) under torchvision's names: with torchvision's
// pixels they run, and paint noise. tools/convert_weights.py has the same rule, and turns the first layer of
// such weights.
#pragma once
#include <string>
#include <vector>

namespace swag {

/// What about the values of a VGG's first layer says that it was made for the pixels of Caffe; empty for
/// nothing.
std::string sign_of_caffe(const std::vector<float>& weight,  // (c_out, 3, 3, 3)
                          const std::vector<float>& bias);   // (c_out)

}  // namespace swag
