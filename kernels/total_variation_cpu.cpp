#include "kernels/cpu/reduce.h"
#include "kernels/normalize.h"
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

/// One row's part of the nine-point loss: half of what it has in common with every neighbour, straight and
/// diagonal. A neighbour beyond the edge is the pixel itself, and differs by nothing.
template <typename T>
double nine_point_row(T* dx, const T* x, int row, double factor, const TotalVariationParams& params) {
  const NinePointWeights weights(params);
  const int64_t row_size = int64_t{params.w} * 3;
  const DiagonalNeighbours rows(row, params.h);
  const T* here = x + row * row_size;
  const T* beside[2] = {x + rows.at[0] * row_size, x + rows.at[1] * row_size};
  double loss = 0;
  for (int col = 0; col < params.w; ++col) {
    const DiagonalNeighbours cols(col, params.w);
    for (int c = 0; c < 3; ++c) {
      const double value = here[int64_t{col} * 3 + c];
      double sum = 0, squares = 0;
      const auto add = [&](T neighbour, double weight) {
        const double difference = value - neighbour;
        sum += weight * difference;
        squares += weight * difference * difference;
      };
      for (int i = 0; i < 2; ++i) {
        add(beside[i][int64_t{col} * 3 + c], weights.straight);
        add(here[int64_t{cols.at[i]} * 3 + c], weights.straight);
        for (int j = 0; j < 2; ++j) {
          add(beside[i][int64_t{cols.at[j]} * 3 + c], weights.diagonal * rows.times[i] * cols.times[j]);
        }
      }
      const double scale = pixel_deviation(c) * pixel_deviation(c);
      dx[row * row_size + int64_t{col} * 3 + c] += static_cast<T>(2 * factor * scale * sum);
      loss += 0.5 * scale * squares;
    }
  }
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

template <typename T>
void total_variation_nine_point(double* loss, T* dx, const T* x, double factor,
                                const TotalVariationParams& params, Stream stream) {
  *loss = reduce_sum(stream, params.h, int64_t{params.w} * 3, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t row = begin; row < end; ++row) {
      sum += nine_point_row(dx, x, static_cast<int>(row), factor, params);
    }
    return sum;
  });
}

template void total_variation(double*, float*, const float*, double, const TotalVariationParams&, Stream);
template void total_variation(double*, double*, const double*, double, const TotalVariationParams&, Stream);
template void total_variation_nine_point(double*, float*, const float*, double, const TotalVariationParams&,
                                         Stream);
template void total_variation_nine_point(double*, double*, const double*, double, const TotalVariationParams&,
                                         Stream);

}  // namespace swag::cpu
