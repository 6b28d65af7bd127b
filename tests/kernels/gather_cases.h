// Positions of a map: none, all, runs of them, single ones; and their gathered map by the definition.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/gather.h"
#include "tests/helpers.h"

namespace swag::test {

struct GatherCase {
  int64_t pixels = 0;  // of the map
  int c = 0;
  std::vector<int32_t> positions;
  GatherParams params() const { return {static_cast<int64_t>(positions.size()), c}; }
};

/// About `share` of the positions of a map, ascending.
inline GatherCase gather_case(int64_t pixels, int c, double share) {
  GatherCase result{pixels, c, {}};
  Random random(static_cast<uint64_t>(pixels + c));
  for (int32_t i = 0; i < pixels; ++i) {
    if (random.uniform() < share) result.positions.push_back(i);
  }
  return result;
}

inline std::vector<GatherCase> gather_cases() {
  std::vector<GatherCase> cases = {{1, 1, {0}}, {5, 3, {}}, {5, 4, {4}}, {7, 33, {0, 6}}};
  for (const int c : {1, 3, 4, 64, 65, 1028}) cases.push_back(gather_case(300, c, 0.4));
  cases.push_back(gather_case(90, 16, 2));       // all of them
  cases.push_back(gather_case(20000, 64, 0.9));  // more than one range of a thread
  return cases;
}

}  // namespace swag::test
