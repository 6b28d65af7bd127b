// Channel counts around what the elementwise kernels take at once: lanes of a vector, words of a mask.
#pragma once

namespace swag::test {

inline constexpr int kReluChannels[] = {1, 3, 31, 32, 33, 64, 80, 100};
inline constexpr int kAddChannels[] = {1, 15, 16, 17, 65};
inline constexpr int kBatchNormChannels[] = {1, 16, 21, 70};

}  // namespace swag::test
