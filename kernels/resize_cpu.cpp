#include <vector>

#include "kernels/cpu/elementwise.h"
#include "kernels/resize.h"

namespace swag::cpu {

template <typename T>
void resize(T* y, const T* x, const ResizeWeights& weights, const ResizeParams& params, Stream stream) {
  const int64_t c = params.c, products = c * std::max(1, weights.taps);
  const int64_t grain = std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, products));
  parallel_ranges(stream, params.lines * params.out, grain, [&](int64_t begin, int64_t end) {
    std::vector<double> sums(c);
    for (int64_t output = begin; output < end; ++output) {
      const int64_t line = output / params.out, i = output % params.out;
      const T* sample = x + (line * params.in + weights.first[i]) * c;
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int tap = 0; tap < weights.count[i]; ++tap, sample += c) {
        const double weight = weights.weights[i * weights.taps + tap];
        for (int64_t k = 0; k < c; ++k) sums[k] += weight * sample[k];
      }
      T* to = y + output * c;
      for (int64_t k = 0; k < c; ++k)
        to[k] = static_cast<T>(sums[k] < params.lowest ? params.lowest : sums[k]);
    }
  });
}

template void resize(float*, const float*, const ResizeWeights&, const ResizeParams&, Stream);
template void resize(double*, const double*, const ResizeWeights&, const ResizeParams&, Stream);

}  // namespace swag::cpu
