// Concatenation along the channels. torch: torch.cat(parts, dim=1); backward is torch.split.
//
// A part is a slice of the whole map's channels: a tensor with the whole's pitch. Where the op that makes a
// part writes it into its slice, nothing is left to be done, forwards or backwards (src/network/executor.h).
// Elsewhere a part is copied: forwards into its slice, backwards out of it.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct CopyChannelsParams {
  int64_t pixels = 0;
  int c = 0;
  int64_t x_pitch = 0, y_pitch = 0;
};

namespace cpu {

template <typename T>
void copy_channels(T* y,        // (pixels, c), pitch y_pitch; y may not overlap x
                   const T* x,  // (pixels, c), pitch x_pitch
                   const CopyChannelsParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

template <typename T>
void copy_channels(T* y, const T* x, const CopyChannelsParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
