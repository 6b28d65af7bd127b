// wgmma: what must be aligned, fenced and waited for.
#include "tests/emulator/planted_hopper.cuh"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kWrongStride = __LINE__;
template <bool kRight>
__global__ void wrong_stride_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  for (int k = 0; k < kTile; k += kGroup) tile[k + i] = x[k + i];
  fence_proxy_async();
  __syncthreads();
  float sum[32] = {};
  const uint64_t stride = kRight ? 1024 / 16 : 1024;  // the field counts 16 bytes
  const uint64_t tiles = shared_address(tile) / 16 | uint64_t{1} << 16 | stride << 32 | uint64_t{1} << 62;
  wgmma_fence();
  wgmma<kTf32>(sum, tiles, tiles);
  wgmma_commit();
  wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kUnalignedTile = __LINE__;
template <bool kRight>
__global__ void unaligned_tile_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, shared);
  float* const tile = shared + (kRight ? 256 : 32);  // 1024 or 128 bytes
  const unsigned i = threadIdx.x;
  for (int k = 0; k < kTile; k += kGroup) tile[k + i] = x[k + i];
  fence_proxy_async();
  __syncthreads();
  float sum[32] = {};
  wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
  wgmma_commit();
  wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kNoProxyFence = __LINE__;
template <bool kRight>
__global__ void no_proxy_fence_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  for (int k = 0; k < kTile; k += kGroup) {
    tile[k + i] = x[k + i];
  }
  if (kRight) fence_proxy_async();
  __syncthreads();
  float sum[32] = {};
  wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
  wgmma_commit();
  wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kNotWaitedFor = __LINE__;
template <bool kRight>
__global__ void sums_not_waited_for_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  for (int k = 0; k < kTile; k += kGroup) tile[k + i] = x[k + i];
  fence_proxy_async();
  __syncthreads();
  float sum[32] = {};
  wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
  wgmma_commit();
  if (kRight) wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kDifferentTiles = __LINE__;
template <bool kRight>
__global__ void different_tiles_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  for (int k = 0; k < 2 * kTile; k += kGroup) tile[k + i] = x[k + i];
  fence_proxy_async();
  __syncthreads();
  float sum[32] = {};
  const float* const own = tile + (kRight ? 0 : i / 64 * kTile);  // a warpgroup has one
  wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(own), wgmma_descriptor(tile));
  wgmma_commit();
  wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kNoWgmmaFence = __LINE__;
template <bool kRight>
__global__ void no_wgmma_fence_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  for (int k = 0; k < kTile; k += kGroup) tile[k + i] = x[k + i];
  fence_proxy_async();
  __syncthreads();
  float sum[32] = {};
  if (kRight) wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
  wgmma_commit();
  wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kThreeWarps = __LINE__;
template <bool kRight>
__global__ void three_warps_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  for (int k = 0; k < kTile; k += kGroup) tile[k + i] = x[k + i];
  fence_proxy_async();
  __syncthreads();
  if (!kRight && i >= 96) return;
  float sum[32] = {};
  wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
  wgmma_commit();
  wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kOverwritten = __LINE__;
template <bool kRight>
__global__ void overwritten_tile_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  for (int k = 0; k < kTile; k += kGroup) tile[k + i] = x[k + i];
  fence_proxy_async();
  __syncthreads();
  float sum[32] = {};
  wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
  wgmma_commit();
  if (!kRight && i == 1) tile[32] = 0;
  wgmma_wait<0>();
  __syncthreads();
  if (kRight && i == 1) tile[32] = 0;
  y[i] = sum[0];
}

}  // namespace

PlantedBug wrong_stride() {
  return {"wrong_stride_kernel",
          FindingKind::kOutOfBounds,
          {{kWrongStride + 12, 0, kGroup - 1}},
          "behind the end",
          [](bool right) {
            return run_on(right ? wrong_stride_kernel<true> : wrong_stride_kernel<false>, kGroup, kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug unaligned_tile() {
  return {"unaligned_tile_kernel",
          FindingKind::kBadOperand,
          {{kUnalignedTile + 11, 0, kGroup - 1}},
          "base offset 0 must lie at a multiple of 1024 bytes",
          [](bool right) {
            return run_on(right ? unaligned_tile_kernel<true> : unaligned_tile_kernel<false>, kGroup, kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug no_proxy_fence() {
  return {"no_proxy_fence_kernel",
          FindingKind::kRace,
          {{kNoProxyFence + 12, 0, kGroup - 1}, {kNoProxyFence + 6, 0, 0}},
          "no fence.proxy.async between",
          [](bool right) {
            return run_on(right ? no_proxy_fence_kernel<true> : no_proxy_fence_kernel<false>, kGroup, kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug sums_not_waited_for() {
  return {"sums_not_waited_for_kernel",
          FindingKind::kRace,
          {{kNotWaitedFor + 13, 0, kGroup - 1}, {kNotWaitedFor + 10, 0, kGroup - 1}},
          "registers of a wgmma, and no wgmma.wait_group between",
          [](bool right) {
            const auto kernel = right ? sums_not_waited_for_kernel<true> : sums_not_waited_for_kernel<false>;
            return run_on(kernel, kGroup, kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug different_tiles() {
  return {"different_tiles_kernel",
          FindingKind::kBadOperand,
          {{kDifferentTiles + 11, 0, kGroup - 1}},
          "bring different descriptors",
          [](bool right) {
            return run_on(right ? different_tiles_kernel<true> : different_tiles_kernel<false>, kGroup,
                          kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug no_wgmma_fence() {
  return {"no_wgmma_fence_kernel",
          FindingKind::kBadOperand,
          {{kNoWgmmaFence + 10, 0, 0}},
          "without a wgmma.fence",
          [](bool right) {
            return run_on(right ? no_wgmma_fence_kernel<true> : no_wgmma_fence_kernel<false>, kGroup, kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug three_warps() {
  return {"three_warps_kernel",
          FindingKind::kDivergentCollective,
          {{kThreeWarps + 11, 0, 0}, {0, 0, 96}},
          "all 128 threads of a warpgroup must come to a wgmma",
          [](bool right) {
            return run_on(right ? three_warps_kernel<true> : three_warps_kernel<false>, kGroup, kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug overwritten_tile() {
  return {"overwritten_tile_kernel",
          FindingKind::kRace,
          {{kOverwritten + 12, 0, 1}, {kOverwritten + 10, 0, 0}},
          "at dynamic shared memory + 128 bytes",
          [](bool right) {
            const auto kernel = right ? overwritten_tile_kernel<true> : overwritten_tile_kernel<false>;
            return run_on(kernel, kGroup, kGroup);
          },
          Floats(kGroup, 8)};
}

}  // namespace swag::planted
