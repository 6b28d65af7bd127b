#include "kernels/cpu/elementwise.h"
#include "kernels/gather.h"

namespace swag::cpu {

template <typename T>
void gather_positions(T* y, const T* x, const int32_t* positions, const GatherParams& params, Stream stream) {
  parallel_ranges(stream, params.count, pixel_grain(params.c), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(x + int64_t{positions[i]} * params.c, params.c, y + i * params.c);
    }
  });
}

template <typename T>
void scatter_positions(T* dx, const T* dy, const int32_t* positions, const GatherParams& params,
                       Stream stream) {
  parallel_ranges(stream, params.count, pixel_grain(params.c), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* to = dx + int64_t{positions[i]} * params.c;
      const T* from = dy + i * params.c;
      store_elements(to, 0, params.c, [&](int64_t k) { return to[k] + from[k]; });
    }
  });
}

template void gather_positions(float*, const float*, const int32_t*, const GatherParams&, Stream);
template void gather_positions(double*, const double*, const int32_t*, const GatherParams&, Stream);
template void scatter_positions(float*, const float*, const int32_t*, const GatherParams&, Stream);
template void scatter_positions(double*, const double*, const int32_t*, const GatherParams&, Stream);

}  // namespace swag::cpu
