// The counts that the CPU's and the GPU's norms are tested on.
#pragma once
#include <cstdint>

namespace swag::test {

// Counts around the kernels' lanes, blocks and ranges.
inline const int64_t kVectorCounts[] = {0, 1, 3, 4, 5, 511, 512, 513, 16383, 16384, 16385, 50001};

}  // namespace swag::test
