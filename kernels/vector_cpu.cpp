#include "kernels/cpu/reduce.h"
#include "kernels/vector.h"

namespace swag::cpu {
template <typename T>
void vector_norms(VectorNorms* norms, const T* x, int64_t count, Stream stream) {
  *norms = reduce_ranges(
      stream, count, 1, VectorNorms{}, [&](int64_t begin, int64_t end) { return range_norms(x, begin, end); },
      [](const VectorNorms& a, const VectorNorms& b) {
        return VectorNorms{a.sum_abs + b.sum_abs, larger(a.max_abs, b.max_abs)};
      });
}

template void vector_norms(VectorNorms*, const float*, int64_t, Stream);
template void vector_norms(VectorNorms*, const double*, int64_t, Stream);

}  // namespace swag::cpu
