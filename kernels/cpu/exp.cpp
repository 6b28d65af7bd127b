#include "kernels/cpu/exp.h"

#include "kernels/cpu/vector_clones.h"

namespace swag::cpu {
namespace {

// Written out for float and double: copies per instruction set cannot be made of a template.
template <typename T>
__attribute__((always_inline)) inline void exp_range(T* y, const T* f, int64_t count, T max,
                                                     T inverse_temperature) {
  for (int64_t i = 0; i < count; ++i) y[i] = exp_nonpositive((f[i] - max) * inverse_temperature);
}

template <typename T>
__attribute__((always_inline)) inline double sum_range(const T* values, int64_t count) {
  constexpr int kLanes = 16;  // one addition would wait for the one before
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(values[i + lane]);
  }
  for (int lane = 0; i + lane < count; ++lane) lanes[lane] += static_cast<double>(values[i + lane]);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[half + lane];
  }
  return lanes[0];
}

// Declared nowhere else: of a function that a header has declared, clang makes the first copy alone.

VECTOR_CLONES void exp_floats(float* __restrict y, const float* __restrict f, int64_t count, float max,
                              float inverse_temperature) {
  exp_range(y, f, count, max, inverse_temperature);
}

VECTOR_CLONES double sum_of_floats(const float* __restrict values, int64_t count) {
  return sum_range(values, count);
}

VECTOR_CLONES void floats_times(float* y, const float* x, int64_t count, double factor) {
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(static_cast<double>(x[i]) * factor);
}

}  // namespace

void exp_differences(float* __restrict y, const float* __restrict f, int64_t count, float max,
                     float inverse_temperature) {
  exp_floats(y, f, count, max, inverse_temperature);
}
void exp_differences(double* __restrict y, const double* __restrict f, int64_t count, double max,
                     double inverse_temperature) {
  exp_range(y, f, count, max, inverse_temperature);
}

double sum_of(const float* __restrict values, int64_t count) { return sum_of_floats(values, count); }
double sum_of(const double* __restrict values, int64_t count) { return sum_range(values, count); }

void times(float* y, const float* x, int64_t count, double factor) { floats_times(y, x, count, factor); }
void times(double* y, const double* x, int64_t count, double factor) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] * factor;
}

}  // namespace swag::cpu
