// The layout of the bit masks and pool positions that the forward pass leaves for the backward pass.
// It is the same on every backend, so masks of one run can be imposed on another.
#pragma once
#include <cstdint>

namespace swag {

/// ReLU sign bits: bit c % 32 of word pixel * mask_words(c) + c / 32 is 1 where the output is positive.
/// Unused bits of a pixel's last word are 0.
inline int64_t mask_words(int c) { return (int64_t{c} + 31) / 32; }

inline bool mask_bit(const uint32_t* mask, int64_t pixel, int c, int channel) {
  return (mask[pixel * mask_words(c) + channel / 32] >> (channel % 32)) & 1u;
}

}  // namespace swag
