#include <cstring>

#include "kernels/cuda/device_array.cuh"
#include "kernels/cuda/hopper.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/limits/instructions.h"

namespace swag::instructions {
namespace {

constexpr int kRowBytes = 128, kThreads = 128;  // a row of a tile; a warpgroup
constexpr int kBoxCols = 16, kBoxRows = 4;

/// One box of the map as it lies in shared memory. A block of one warp. Shared: the box and a barrier.
__global__ void __launch_bounds__(32)
    box_kernel(uint32_t* out, const __grid_constant__ CUtensorMap map, int channel, int col, int row) {
#ifdef SWAG_HAS_WGMMA
  DYNAMIC_SHARED(unsigned char, tile);
  constexpr int kBytes = kBoxCols * kBoxRows * kRowBytes;
  uint64_t* const full = reinterpret_cast<uint64_t*>(tile + kBytes);
  if (threadIdx.x == 0) {
    mbarrier_init(full, 1);
    mbarrier_init_fence();
    mbarrier_arrive_expecting(full, kBytes);
    tensor_copy(tile, map, channel, col, row, full);
  }
  __syncthreads();
  mbarrier_wait(full, 0);
  const uint32_t* const words = reinterpret_cast<const uint32_t*>(tile);
  for (int i = static_cast<int>(threadIdx.x); i < kBytes / 4; i += 32) out[i] = words[i];
#endif
}

/// d (64 x 2 kCount) = A B^T of rows of 128 bytes, swizzled already. A block of one warpgroup.
template <WgmmaOperands kOperands, int kCount>
__global__ void __launch_bounds__(kThreads)
    wgmma_kernel(float* d, const unsigned char* a, const unsigned char* b) {
#ifdef SWAG_HAS_WGMMA
  DYNAMIC_SHARED(unsigned char, tiles);
  constexpr int kN = 2 * kCount, kBytesA = 64 * kRowBytes, kBytesB = kN * kRowBytes;
  uint64_t* const full = reinterpret_cast<uint64_t*>(tiles + kBytesA + kBytesB);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    mbarrier_init(full, 1);
    mbarrier_init_fence();
    mbarrier_arrive_expecting(full, kBytesA + kBytesB);
    bulk_copy(tiles, a, kBytesA, full);
    bulk_copy(tiles + kBytesA, b, kBytesB, full);
  }
  __syncthreads();
  mbarrier_wait(full, 0);
  float sum[kCount] = {};
  wgmma_fence();
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    wgmma<kOperands>(sum, wgmma_descriptor(tiles + step * 32), wgmma_descriptor(tiles + kBytesA + step * 32));
  }
  wgmma_commit();
  wgmma_wait<0>();
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const int row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
    d[row * kN + i / 4 * 8 + thread % 4 * 2 + i % 2] = sum[i];
  }
#endif
}

/// 1, -7, 3, ...: eighths of small whole numbers, which all operand types have exactly.
float eighths(int64_t i) { return static_cast<float>((i * 37 + i / 11) % 63 - 31) / 8; }

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// Of a value with few digits and no extreme exponent.
void put_element(unsigned char* to, WgmmaOperands operands, float value) {
  const uint32_t bits = bits_of(value);
  if (operands == WgmmaOperands::kTf32) {
    std::memcpy(to, &bits, 4);
    return;
  }
  uint16_t half = static_cast<uint16_t>(bits >> 16);
  if (operands == WgmmaOperands::kHalf) {
    const uint32_t exponent = (bits >> 23 & 255) - 112;
    half = static_cast<uint16_t>((bits >> 16 & 0x8000) |
                                 (value == 0 ? 0 : exponent << 10 | (bits >> 13 & 1023)));
  }
  std::memcpy(to, &half, 2);
}

/// Where 16 bytes of a row lie in a swizzled tile.
int64_t chunk_at(int64_t row, int64_t chunk) { return row * kRowBytes + (chunk ^ row % 8) * 16; }

Answer check_box(const char* name, int cols, int rows, int channel, int col, int row, int col_step = 1,
                 int row_step = 1) {
  constexpr int kChannels = 40, kPitch = 44;
  std::vector<float> map(static_cast<size_t>(rows * cols * kPitch));
  for (size_t i = 0; i < map.size(); ++i) map[i] = eighths(static_cast<int64_t>(i));
  DeviceArray<float> device_map(map);
  DeviceArray<uint32_t> out(kBoxCols * kBoxRows * kRowBytes / 4);
  TensorMapShape shape;
  shape.channels = kChannels, shape.cols = cols, shape.rows = rows, shape.pitch = kPitch;
  shape.box_cols = kBoxCols, shape.box_rows = kBoxRows;
  shape.col_step = col_step, shape.row_step = row_step;
  const CUtensorMap tensor_map = make_tensor_map(device_map.data(), WgmmaOperands::kTf32, shape);
  launch(box_kernel, dim3(1), dim3(32), kBoxCols * kBoxRows * kRowBytes + 8, Stream{}, out.data(), tensor_map,
         channel, col, row);
  const std::vector<uint32_t> words = out.values();
  Answer answer{name, 0};
  for (int pixel = 0; pixel < kBoxCols * kBoxRows; ++pixel) {
    const int x = col + pixel % kBoxCols * col_step, y = row + pixel / kBoxCols * row_step;
    for (int i = 0; i < kRowBytes / 4; ++i) {
      const int c = channel + i;
      const bool inside = x >= 0 && x < cols && y >= 0 && y < rows && c >= 0 && c < kChannels;
      const float expected = inside ? map[static_cast<size_t>((y * cols + x) * kPitch + c)] : 0;
      answer.wrong += words[static_cast<size_t>(chunk_at(pixel, i / 4) / 4 + i % 4)] != bits_of(expected);
    }
  }
  return answer;
}

template <WgmmaOperands kOperands, int kCount>
Answer check_wgmma(const char* name) {
  constexpr int kN = 2 * kCount, kBytes = kOperands == WgmmaOperands::kTf32 ? 4 : 2, kK = kRowBytes / kBytes;
  const auto packed = [](int rows, int seed) {
    std::vector<unsigned char> tile(static_cast<size_t>(rows * kRowBytes));
    for (int row = 0; row < rows; ++row) {
      for (int k = 0; k < kK; ++k) {
        unsigned char* const chunk = &tile[static_cast<size_t>(chunk_at(row, k * kBytes / 16))];
        put_element(chunk + k * kBytes % 16, kOperands, eighths(seed + row * kK + k));
      }
    }
    return tile;
  };
  DeviceArray<unsigned char> a(packed(64, 0)), b(packed(kN, 5));
  DeviceArray<float> d(64 * kN);
  constexpr int kShared = (64 + kN) * kRowBytes + 8;
  allow_shared(wgmma_kernel<kOperands, kCount>, kShared);
  launch(wgmma_kernel<kOperands, kCount>, dim3(1), dim3(kThreads), kShared, Stream{}, d.data(), a.data(),
         b.data());
  const std::vector<float> values = d.values();
  Answer answer{std::string(name) + ", 64 x " + std::to_string(kN), 0};
  for (int row = 0; row < 64; ++row) {
    for (int col = 0; col < kN; ++col) {
      double sum = 0;
      for (int k = 0; k < kK; ++k) {
        sum += static_cast<double>(eighths(row * kK + k)) * static_cast<double>(eighths(5 + col * kK + k));
      }
      answer.wrong += !(static_cast<double>(values[static_cast<size_t>(row * kN + col)]) == sum);
    }
  }
  return answer;
}

template <WgmmaOperands kOperands>
void check_shapes(const char* name, std::vector<Answer>& answers) {
  answers.push_back(check_wgmma<kOperands, 32>(name));
  answers.push_back(check_wgmma<kOperands, 64>(name));
  answers.push_back(check_wgmma<kOperands, 128>(name));
}

}  // namespace

std::vector<Answer> check_all() {
  std::vector<Answer> answers = {
      check_box("box inside", 19, 9, 0, 1, 2),
      check_box("box with a negative start", 19, 9, 0, -1, -2),
      check_box("box over the far edges, channels too", 19, 9, 32, 7, 7),
      check_box("box of every second pixel", 19, 9, 0, -1, -1, 2, 2),
      check_box("box of every second row, third column", 19, 9, 4, 1, -2, 3, 2),
      check_box("box around a map of one pixel", 1, 1, 0, -1, -1),
      check_box("box outside of the map", 19, 9, 0, 19, -4),
  };
  check_shapes<WgmmaOperands::kTf32>("wgmma, TF32", answers);
  check_shapes<WgmmaOperands::kHalf>("wgmma, half", answers);
  check_shapes<WgmmaOperands::kBfloat16>("wgmma, bfloat16", answers);
  return answers;
}

}  // namespace swag::instructions
