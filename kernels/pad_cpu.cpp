#include "kernels/cpu/elementwise.h"
#include "kernels/pad.h"

namespace swag::cpu {

template <typename T>
void pad_replicate_forward(T* y, const T* x, const PadParams& params, Stream stream) {
  const int64_t row_size = int64_t{params.w_out()} * params.c;
  parallel_ranges(stream, params.h_out(), pixel_grain(params.w_out() * params.c),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t row = begin; row < end; ++row) {
                      const int64_t from = std::clamp<int64_t>(row - params.pad, 0, params.h - 1);
                      const T* first = x + from * params.w * params.c;
                      const T* last = first + int64_t{params.w - 1} * params.c;
                      T* to = y + row * row_size;
                      for (int i = 0; i < params.pad; ++i) to = std::copy_n(first, params.c, to);
                      to = std::copy_n(first, int64_t{params.w} * params.c, to);
                      for (int i = 0; i < params.pad; ++i) to = std::copy_n(last, params.c, to);
                    }
                  });
}

template <typename T>
void pad_replicate_backward(T* dx, const T* dy, const PadParams& params, Stream stream) {
  const int64_t row_size = int64_t{params.w_out()} * params.c;
  parallel_ranges(stream, params.h, pixel_grain(params.w * params.c), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const PadCopies rows(static_cast<int>(row), params.h, params.pad);
      for (int col = 0; col < params.w; ++col) {
        const PadCopies cols(col, params.w, params.pad);
        for (int channel = 0; channel < params.c; ++channel) {
          T sum = 0;
          for (int r = rows.begin; r < rows.end; ++r) {
            for (int q = cols.begin; q < cols.end; ++q) {
              sum += dy[r * row_size + int64_t{q} * params.c + channel];
            }
          }
          dx[(row * params.w + col) * params.c + channel] = sum;
        }
      }
    }
  });
}

template void pad_replicate_forward(float*, const float*, const PadParams&, Stream);
template void pad_replicate_forward(double*, const double*, const PadParams&, Stream);
template void pad_replicate_backward(float*, const float*, const PadParams&, Stream);
template void pad_replicate_backward(double*, const double*, const PadParams&, Stream);

}  // namespace swag::cpu
