// Whether a step of the ladder is right: its result against the CPU twin's.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "kernels/ladder/ladder.h"
#include "tests/kernels/conv2d/cases.h"

namespace swag::ladder {

/// One convolution on the device, with random values, and what the CPU twin makes of it.
class Conv2dProblem {
 public:
  Conv2dProblem(const test::Conv2dCase& shape, bool with_epilogue);
  ~Conv2dProblem();
  Conv2dProblem(const Conv2dProblem&) = delete;

  void launch(const Conv2dStep& step);
  /// With a result full of NaN before, and a wait after.
  void run(const Conv2dStep& step);
  /// Relative L2 error of the last run; infinite where it wrote between the channels of two pixels.
  double error() const;
  /// Of the last run against a float64 convolution of operands rounded or cut to TF32.
  double error_in_tf32(Operands operands) const;
  int64_t products() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

class SoftmaxProblem {
 public:
  explicit SoftmaxProblem(const SoftmaxParams& params);
  ~SoftmaxProblem();
  SoftmaxProblem(const SoftmaxProblem&) = delete;

  void launch(const SoftmaxStep& step);
  void run(const SoftmaxStep& step);
  double error() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace swag::ladder
