#include "src/weights/matrix.h"

#include <algorithm>

namespace swag {

Matrix::Matrix(Backend& backend, int64_t rows, int64_t cols)
    : backend_(&backend),
      storage_(backend, DType::kFloat32, Shape{1, static_cast<int>(rows), static_cast<int>(cols)}) {}

Matrix::Matrix(Backend& backend, int64_t rows, int64_t cols, const std::vector<float>& values)
    : Matrix(backend, rows, cols) {
  assert(static_cast<int64_t>(values.size()) == rows * cols);
  backend.upload(storage_.buffer.data(), values.data(), rows * cols * int64_t{sizeof(float)});
}

std::vector<float> Matrix::values() const {
  std::vector<float> values(static_cast<size_t>(storage_.tensor.count()));
  backend_->download(values.data(), storage_.buffer.data(), storage_.buffer.bytes());
  return values;
}

Matrix multiply_transposed(Backend& backend, const Matrix& a, const Matrix& b) {
  assert(a.cols() == b.cols());
  constexpr Conv2dDirection kForward = Conv2dDirection::kForward;
  constexpr DType kFloat = DType::kFloat32;
  Matrix product(backend, a.rows(), b.rows());

  Conv2dParams params;
  params.layer.c_in = a.cols();
  params.layer.c_out = b.rows();
  params.algorithm = backend.conv2d_choose(params.layer, kForward, kFloat);
  params.h = 1;
  params.w = a.rows();
  params.x_pitch = a.cols();
  params.y_pitch = b.rows();
  Buffer packed(backend, backend.conv2d_packed_bytes(params.layer, params.algorithm, kForward, kFloat));
  backend.conv2d_pack(packed.data(), b.tensor().data, params.layer, params.algorithm, kForward, kFloat, 1);
  Buffer workspace(backend, backend.conv2d_workspace_bytes(params, kForward, kFloat));
  backend.conv2d_forward(product.tensor(), a.tensor(), packed.data(), {}, params, workspace.data());
  return product;
}

std::vector<double> second_moments(Backend& backend, const Matrix& a) {
  const int64_t count = int64_t{a.cols()} * a.cols();
  Buffer moments(backend, count * int64_t{sizeof(double)});
  Buffer workspace(backend, backend.gram_workspace_bytes(a.tensor().shape, DType::kFloat32));
  backend.gram_forward(static_cast<double*>(moments.data()), a.tensor(), workspace.data());
  std::vector<double> values(static_cast<size_t>(count));
  backend.download(values.data(), moments.data(), moments.bytes());
  return values;
}

std::vector<float> transposed(const std::vector<float>& values, int64_t rows, int64_t cols) {
  constexpr int64_t kTile = 32;  // both sides of a tile stay in the first-level cache
  std::vector<float> result(values.size());
  for (int64_t row = 0; row < rows; row += kTile) {
    for (int64_t col = 0; col < cols; col += kTile) {
      for (int64_t i = row; i < std::min(rows, row + kTile); ++i) {
        for (int64_t j = col; j < std::min(cols, col + kTile); ++j) {
          result[j * rows + i] = values[i * cols + j];
        }
      }
    }
  }
  return result;
}

}  // namespace swag
