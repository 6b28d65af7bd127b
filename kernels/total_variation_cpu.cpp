#include "kernels/cpu/reduce.h"
#include "kernels/total_variation.h"

namespace swag::cpu {
namespace {

/// One row's part of the loss, the pairs to the right and below; dx(row) += factor * its gradient. A row
/// reads its neighbours and writes itself alone, so rows go to threads freely.
template <typename T>
double total_variation_row(T* dx, const T* x, int row, T factor, const TotalVariationParams& params) {
  const int64_t row_size = int64_t{params.w} * params.c;
  const int64_t c = params.c;
  const T* here = x + row * row_size;
  T* gradient = dx + row * row_size;
  const T twice = 2 * factor;
  double loss = 0;
  if (row + 1 < params.h) {
    const T* below = here + row_size;
    for (int64_t i = 0; i < row_size; ++i) gradient[i] += twice * (here[i] - below[i]);
    loss += sum_terms(0, row_size, [&](int64_t i) {
      const double difference = static_cast<double>(below[i]) - here[i];
      return difference * difference;
    });
  }
  if (row > 0) {
    const T* above = here - row_size;
    for (int64_t i = 0; i < row_size; ++i) gradient[i] += twice * (here[i] - above[i]);
  }
  for (int64_t i = 0; i + c < row_size; ++i) gradient[i] += twice * (here[i] - here[i + c]);
  for (int64_t i = c; i < row_size; ++i) gradient[i] += twice * (here[i] - here[i - c]);
  loss += sum_terms(c, row_size, [&](int64_t i) {
    const double difference = static_cast<double>(here[i]) - here[i - c];
    return difference * difference;
  });
  return loss;
}

}  // namespace

template <typename T>
void total_variation(double* loss, T* dx, const T* x, double factor, const TotalVariationParams& params,
                     Stream stream) {
  *loss = reduce_sum(stream, params.h, int64_t{params.w} * params.c, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t row = begin; row < end; ++row) {
      sum += total_variation_row(dx, x, static_cast<int>(row), static_cast<T>(factor), params);
    }
    return sum;
  });
}

template void total_variation(double*, float*, const float*, double, const TotalVariationParams&, Stream);
template void total_variation(double*, double*, const double*, double, const TotalVariationParams&, Stream);

}  // namespace swag::cpu
