// The counts that the CPU's and the GPU's vector algebra is tested on.
#pragma once
#include <cstdint>
#include <vector>

#include "tests/helpers.h"

namespace swag::test {

// Counts around the kernels' lanes, blocks and ranges.
inline const int64_t kVectorCounts[] = {0, 1, 3, 4, 5, 511, 512, 513, 16383, 16384, 16385, 50001};

template <typename T>
struct Vectors {
  Vectors(int vectors, int64_t count, uint64_t seed) {
    for (int k = 0; k < vectors; ++k) values.push_back(random_vector<T>(count, seed + k));
    for (const std::vector<T>& vector : values) pointers.push_back(vector.data());
  }
  int size() const { return static_cast<int>(values.size()); }
  std::vector<std::vector<T>> values;
  std::vector<const T*> pointers;
};

template <typename T>
long double exact_dot(const std::vector<T>& a, const std::vector<T>& b) {
  long double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<long double>(a[i]) * static_cast<long double>(b[i]);
  }
  return sum;
}

}  // namespace swag::test
