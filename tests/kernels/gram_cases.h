// The shapes that the CPU's and the GPU's Gram matrices are tested on, and their definition.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/gram.h"

namespace swag::test {

inline const GramParams kGramShapes[] = {{1, 1},     {1, 5},    {7, 3},    {513, 9},
                                         {1600, 17}, {40, 256}, {33, 257}, {5, 600}};
inline const GramParams kGramBackwardShapes[] = {{1, 1}, {300, 7}, {5, 600}, {600, 520}};

template <typename T>
std::vector<double> naive_gram(const std::vector<T>& s, const GramParams& params) {
  const int d = params.d;
  std::vector<double> a(static_cast<size_t>(d) * d, 0.0);
  for (int64_t i = 0; i < params.m; ++i) {
    for (int row = 0; row < d; ++row) {
      for (int col = 0; col < d; ++col)
        a[row * d + col] += static_cast<double>(s[i * d + row]) * s[i * d + col];
    }
  }
  for (double& value : a) value /= static_cast<double>(params.m);
  return a;
}

}  // namespace swag::test
