#include "kernels/cpu/elementwise.h"
#include "kernels/lerp.h"

namespace swag::cpu {

template <typename T>
void lerp(T* y, const T* x, double weight, int64_t count, Stream stream) {
  const T part = static_cast<T>(weight);
  parallel_elements(stream, y, count, [=](int64_t i) { return y[i] + part * (x[i] - y[i]); });
}

template void lerp(float*, const float*, double, int64_t, Stream);
template void lerp(double*, const double*, double, int64_t, Stream);

}  // namespace swag::cpu
