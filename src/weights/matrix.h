// Dense matrices in a backend's memory, multiplied by the backend's own convolution: a 1x1 on a list of
// pixels is a matrix product. So fitting runs on the threads, or on the device, that the networks run on.
#pragma once
#include <cstdint>
#include <vector>

#include "src/backend/backend.h"

namespace swag {

/// (rows, cols) float32, row by row.
class Matrix {
 public:
  Matrix(Backend& backend, int64_t rows, int64_t cols);
  Matrix(Backend& backend, int64_t rows, int64_t cols, const std::vector<float>& values);  // copies them

  int rows() const { return storage_.tensor.shape.w; }
  int cols() const { return storage_.tensor.shape.c; }
  const Tensor& tensor() const { return storage_.tensor; }
  std::vector<float> values() const;

 private:
  Backend* backend_;
  OwnedTensor storage_;
};

/// a b^T, (a.rows, b.rows). Where one of them is much the larger, it should be `a`: `b` is repacked.
Matrix multiply_transposed(Backend& backend, const Matrix& a, const Matrix& b);

/// a^T a / a.rows, (a.cols, a.cols), summed in float64.
std::vector<double> second_moments(Backend& backend, const Matrix& a);

/// (cols, rows) of a (rows, cols) matrix on the host.
std::vector<float> transposed(const std::vector<float>& values, int64_t rows, int64_t cols);

}  // namespace swag
