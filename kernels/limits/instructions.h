// Hopper's asynchronous instructions against plain loops: what the emulator believes of tensor maps,
// swizzles, descriptors and fragments is its own reading of the documents until a GPU has said the same.
// Numbers are such that every sum is exact, so that the answer is yes or no.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace swag::instructions {

struct Answer {
  std::string instruction;
  int64_t wrong = 0;  // values
};

/// What the convolution's kernels use, each alone, on the current device, which must have compute
/// capability 9.0.
std::vector<Answer> check_all();

}  // namespace swag::instructions
