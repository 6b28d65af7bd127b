// Residual addition y = a + b; backward hands the same gradient to both, so it needs no kernel of its own.
// torch: a + b.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct AddParams {
  int64_t pixels = 0;
  int c = 0;
  int64_t a_pitch = 0, b_pitch = 0, y_pitch = 0;
};

namespace cpu {

template <typename T>
void add_forward(T* y,        // (pixels, c), pitch y_pitch; may equal a or b
                 const T* a,  // (pixels, c), pitch a_pitch
                 const T* b,  // (pixels, c), pitch b_pitch
                 const AddParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

/// b may be of another type.
template <typename T, typename B>
void add_forward(T* y, const T* a, const B* b, const AddParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
