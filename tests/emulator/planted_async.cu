// mbarriers and bulk copies: what must be announced, fenced and waited for.
#include "tests/emulator/planted_hopper.cuh"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kWrongParity = __LINE__;
template <bool kRight>
__global__ void wrong_parity_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  uint64_t* const full = reinterpret_cast<uint64_t*>(tile + kTile);
  const unsigned i = threadIdx.x;
  if (i == 0) mbarrier_init(full, 1);
  if (i == 0) mbarrier_init_fence();
  __syncthreads();
  if (i == kGroup) mbarrier_arrive_expecting(full, kTileBytes);
  if (i == kGroup) bulk_copy(tile, x, kTileBytes, full);
  if (i >= kGroup) return;
  mbarrier_wait(full, kRight ? 0 : 1);  // or "the phase before the first"
  float sum[32] = {};
  wgmma_fence();
  wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
  wgmma_commit();
  wgmma_wait<0>();
  y[i] = sum[0];
}

constexpr int kEarlyRelease = __LINE__;
template <bool kRight>
__global__ void early_release_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  uint64_t *const full = reinterpret_cast<uint64_t*>(tile + kTile), *const empty = full + 1;
  const unsigned i = threadIdx.x;
  if (i == 0) mbarrier_init(full, 1);
  if (i == 0) mbarrier_init(empty, kGroup / 32);
  if (i == 0) mbarrier_init_fence();
  __syncthreads();
  for (int k = 0; i == kGroup && k < 3; ++k) {
    if (k > 0) mbarrier_wait(empty, (k - 1) % 2);
    mbarrier_arrive_expecting(full, kTileBytes);
    bulk_copy(tile, x, kTileBytes, full);
  }
  if (i >= kGroup) return;
  float sum[32] = {};
  for (int k = 0; k < 3; ++k) {
    mbarrier_wait(full, k % 2);
    wgmma_fence();
    wgmma<kTf32>(sum, wgmma_descriptor(tile), wgmma_descriptor(tile));
    wgmma_commit();
    if (kRight) wgmma_wait<0>();
    if (i % 32 == 0) mbarrier_arrive(empty);  // or while the tensor cores read
    if (!kRight) wgmma_wait<0>();
  }
  y[i] = sum[0];
}

constexpr int kWrongBytes = __LINE__;
template <bool kRight>
__global__ void wrong_bytes_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  uint64_t* const full = reinterpret_cast<uint64_t*>(tile + kTile);
  const unsigned i = threadIdx.x;
  if (i == 0) mbarrier_init(full, 1);
  if (i == 0) mbarrier_init_fence();
  __syncthreads();
  if (i == 0) mbarrier_arrive_expecting(full, kRight ? kTileBytes : kTileBytes + 64);
  if (i == 0) bulk_copy(tile, x, kTileBytes, full);
  mbarrier_wait(full, 0);
  y[i] = tile[i];
}

constexpr int kNotEveryoneWaits = __LINE__;
template <bool kRight>
__global__ void not_everyone_waits_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  uint64_t* const full = reinterpret_cast<uint64_t*>(tile + kTile);
  const unsigned i = threadIdx.x;
  if (i == 0) mbarrier_init(full, 1);
  if (i == 0) mbarrier_init_fence();
  __syncthreads();
  if (i == 32) mbarrier_arrive_expecting(full, kTileBytes);
  if (i == 32) bulk_copy(tile, x, kTileBytes, full);
  if (kRight || i < 64) mbarrier_wait(full, 0);
  y[i] = tile[i];
}

constexpr int kNoInitFence = __LINE__;
template <bool kRight>
__global__ void no_init_fence_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  uint64_t* const full = reinterpret_cast<uint64_t*>(tile + kTile);
  const unsigned i = threadIdx.x;
  if (i == 0) mbarrier_init(full, 1);
  if (kRight && i == 0) mbarrier_init_fence();
  __syncthreads();
  if (i == 0) mbarrier_arrive_expecting(full, kTileBytes);
  if (i == 0) bulk_copy(tile, x, kTileBytes, full);
  mbarrier_wait(full, 0);
  y[i] = tile[i];
}

constexpr int kNoInit = __LINE__;
template <bool kRight>
__global__ void no_init_kernel(float* y, const float*) {
  DYNAMIC_SHARED(uint64_t, all);
  const unsigned i = threadIdx.x;
  if (i == 0) all[0] = 0;  // of ordinary memory it is the start, of an mbarrier not
  if (kRight && i == 0) mbarrier_init(all, kGroup);
  __syncthreads();
  mbarrier_arrive(all);
  mbarrier_wait(all, 0);
  y[i] = 1;
}

constexpr int kTooManyArrivals = __LINE__;
template <bool kRight>
__global__ void too_many_arrivals_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  uint64_t* const full = reinterpret_cast<uint64_t*>(tile + kTile);
  const unsigned i = threadIdx.x;
  if (i == 0) mbarrier_init(full, 1);
  if (i == 0) mbarrier_init_fence();
  __syncthreads();
  if (i == 0) mbarrier_arrive_expecting(full, kTileBytes);
  if (!kRight && i == 0) mbarrier_arrive(full);  // while the bytes are under way
  if (i == 0) bulk_copy(tile, x, kTileBytes, full);
  mbarrier_wait(full, 0);
  y[i] = tile[i];
}

constexpr int kMisalignedBulk = __LINE__;
template <bool kRight>
__global__ void misaligned_bulk_copy_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  uint64_t* const full = reinterpret_cast<uint64_t*>(tile + kTile);
  const unsigned i = threadIdx.x;
  if (i == 0) mbarrier_init(full, 1);
  if (i == 0) mbarrier_init_fence();
  __syncthreads();
  if (i == 0) mbarrier_arrive_expecting(full, kTileBytes);
  if (i == 0) bulk_copy(tile, x + (kRight ? 4 : 1), kTileBytes, full);
  mbarrier_wait(full, 0);
  y[i] = tile[i];
}

}  // namespace

PlantedBug wrong_parity() {
  return {"wrong_parity_kernel",
          FindingKind::kUninitialised,
          {{kWrongParity + 15, 0, kGroup - 1}},
          "which this block has not written",
          [](bool right) {
            return run_on(right ? wrong_parity_kernel<true> : wrong_parity_kernel<false>, kGroup + 32,
                          kGroup);
          },
          Floats(kGroup, 8)};
}

PlantedBug early_release() {
  return {"early_release_kernel",
          FindingKind::kRace,
          {{kEarlyRelease + 13, 0, kGroup}, {kEarlyRelease + 20, 0, 0}},
          "no barrier or mbarrier between",
          [](bool right) {
            return run_on(right ? early_release_kernel<true> : early_release_kernel<false>, kGroup + 32,
                          kGroup);
          },
          Floats(kGroup, 24)};
}

PlantedBug wrong_bytes() {
  return {"wrong_bytes_kernel",
          FindingKind::kDeadlock,
          {{kWrongBytes + 11, 0, 0}},
          "phase 0 lacks 0 of 1 arrivals and 64 bytes",
          [](bool right) {
            return run_on(right ? wrong_bytes_kernel<true> : wrong_bytes_kernel<false>, kGroup, kGroup);
          },
          Floats(kGroup, 1)};
}

PlantedBug not_everyone_waits() {
  return {"not_everyone_waits_kernel",
          FindingKind::kRace,
          {{kNotEveryoneWaits + 12, 0, 64}, {kNotEveryoneWaits + 10, 0, 32}},
          "no barrier or mbarrier between",
          [](bool right) {
            const auto kernel = right ? not_everyone_waits_kernel<true> : not_everyone_waits_kernel<false>;
            return run_on(kernel, kGroup, kGroup);
          },
          Floats(kGroup, 1)};
}

PlantedBug no_init_fence() {
  return {"no_init_fence_kernel",
          FindingKind::kBadOperand,
          {{kNoInitFence + 10, 0, 0}},
          "initialised without a fence.mbarrier_init",
          [](bool right) {
            return run_on(right ? no_init_fence_kernel<true> : no_init_fence_kernel<false>, kGroup, kGroup);
          },
          Floats(kGroup, 1)};
}

PlantedBug no_init() {
  return {
      "no_init_kernel",
      FindingKind::kBadOperand,
      {{kNoInit + 8, 0, 0}},
      "no mbarrier has been initialised here",
      [](bool right) { return run_on(right ? no_init_kernel<true> : no_init_kernel<false>, kGroup, kGroup); },
      Floats(kGroup, 1)};
}

PlantedBug too_many_arrivals() {
  return {"too_many_arrivals_kernel",
          FindingKind::kBadOperand,
          {{kTooManyArrivals + 10, 0, 0}},
          "more arrivals than the 1 of a phase",
          [](bool right) {
            const auto kernel = right ? too_many_arrivals_kernel<true> : too_many_arrivals_kernel<false>;
            return run_on(kernel, kGroup, kGroup);
          },
          Floats(kGroup, 1)};
}

PlantedBug misaligned_bulk_copy() {
  return {"misaligned_bulk_copy_kernel",
          FindingKind::kMisaligned,
          {{kMisalignedBulk + 10, 0, 0}},
          "at argument 2 + 4 bytes",
          [](bool right) {
            const auto kernel =
                right ? misaligned_bulk_copy_kernel<true> : misaligned_bulk_copy_kernel<false>;
            return run_on(kernel, kGroup, kGroup);
          },
          Floats(kGroup, 1)};
}

}  // namespace swag::planted
