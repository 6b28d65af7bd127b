// Small smooth functions with known minima, and a loop that drives an optimiser over them.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "src/optimizers/optimizer.h"

namespace swag::test {

/// Loss at x; fills the gradient, of x's size.
using Problem = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

/// sum over i of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2: the minimum 0 is at (1, ..., 1).
inline double rosenbrock(const std::vector<double>& x, std::vector<double>& gradient) {
  double loss = 0;
  gradient.assign(x.size(), 0);
  for (size_t i = 0; i + 1 < x.size(); ++i) {
    const double bend = x[i + 1] - x[i] * x[i], rest = 1 - x[i];
    loss += 100 * bend * bend + rest * rest;
    gradient[i] += -400 * bend * x[i] - 2 * rest;
    gradient[i + 1] += 200 * bend;
  }
  return loss;
}

/// sum over i of (i + 1) (x_i - 1)^2 / 2 + (x_{i+1} - x_i)^4 / 4: the minimum 0 is at (1, ..., 1).
inline double chain(const std::vector<double>& x, std::vector<double>& gradient) {
  double loss = 0;
  gradient.assign(x.size(), 0);
  for (size_t i = 0; i < x.size(); ++i) {
    const double stiffness = static_cast<double>(i + 1), rest = x[i] - 1;
    loss += stiffness * rest * rest / 2;
    gradient[i] += stiffness * rest;
    if (i + 1 == x.size()) break;
    const double gap = x[i + 1] - x[i];
    loss += gap * gap * gap * gap / 4;
    gradient[i] -= gap * gap * gap;
    gradient[i + 1] += gap * gap * gap;
  }
  return loss;
}

/// (-1.2, 1, -1.2, 1, ...), Rosenbrock's usual start.
inline std::vector<double> rosenbrock_start(int n) {
  std::vector<double> x(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) x[static_cast<size_t>(i)] = i % 2 == 0 ? -1.2 : 1;
  return x;
}

/// A row of pixels on a backend, read and written as double whatever its dtype.
class Row {
 public:
  Row(Backend& backend, DType dtype, const std::vector<double>& values)
      : backend_(backend), owned_(backend, dtype, Shape{1, static_cast<int>(values.size()), 1}) {
    write(values);
  }

  const Tensor& tensor() const { return owned_.tensor; }

  void write(const std::vector<double>& values) {
    const std::vector<float> rounded(values.begin(), values.end());
    const bool wide = tensor().dtype == DType::kFloat64;
    const void* host = wide ? static_cast<const void*>(values.data()) : rounded.data();
    backend_.upload(tensor().data, host, owned_.buffer.bytes());
  }

  static std::vector<double> read(Backend& backend, const Tensor& tensor) {
    const size_t count = static_cast<size_t>(tensor.count());
    std::vector<double> values(count);
    if (tensor.dtype == DType::kFloat64) {
      backend.download(values.data(), tensor.data, tensor.count() * size_of(tensor.dtype));
      return values;
    }
    std::vector<float> rounded(count);
    backend.download(rounded.data(), tensor.data, tensor.count() * size_of(tensor.dtype));
    return std::vector<double>(rounded.begin(), rounded.end());
  }

 private:
  Backend& backend_;
  OwnedTensor owned_;
};

/// Measures the gradient and answers ask() with it.
inline void answer(Backend& backend, Optimizer& optimizer, double loss, const Tensor& gradient) {
  const Buffer memory(backend, sizeof(GradientReport));
  GradientReport report;
  backend.zero(memory.data(), memory.bytes());
  optimizer.measure(static_cast<GradientReport*>(memory.data()), gradient);
  backend.download(&report, memory.data(), sizeof report);
  optimizer.tell(loss, report, gradient);
}

struct Trace {
  std::vector<std::vector<double>> points;  // in the order they were asked for
  std::vector<double> losses;
  double best = INFINITY;
};

/// Answers ask() until the optimiser has converged or has been told `evaluations` times.
inline Trace drive(Backend& backend, Optimizer& optimizer, const Problem& problem, int evaluations) {
  Trace trace;
  std::vector<double> gradient;
  Row row(backend, optimizer.ask().dtype, std::vector<double>(static_cast<size_t>(optimizer.ask().count())));
  for (int k = 0; k < evaluations && !optimizer.converged(); ++k) {
    trace.points.push_back(Row::read(backend, optimizer.ask()));
    trace.losses.push_back(problem(trace.points.back(), gradient));
    if (trace.losses.back() < trace.best) trace.best = trace.losses.back();
    row.write(gradient);
    answer(backend, optimizer, trace.losses.back(), row.tensor());
  }
  return trace;
}

}  // namespace swag::test
