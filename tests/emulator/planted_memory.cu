// Device and host memory: bounds, lifetime, alignment, values that nobody wrote.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kThreads = 64;

constexpr int kDifference = __LINE__;
/// Neighbours' differences, with 0 at the border.
template <int kStep, bool kRight>
__global__ void difference_kernel(float* y, const float* x, int n) {
  const int i = threadIdx.x, other = i + kStep;
  const bool inside = other >= 0 && other < n;
  y[i] = !kRight || inside ? x[other] - x[i] : 0;
}

constexpr int kFill = __LINE__;
template <bool kRight>
__global__ void fill_kernel(float* y, int n) {
  const int i = threadIdx.x;
  if (kRight ? i < n : i <= n) y[i] = static_cast<float>(i);
}

constexpr int kWords = __LINE__;
__global__ void words_kernel(float* y, const unsigned* x, int words) {
  const int i = threadIdx.x;
  if (i < words) y[i] = static_cast<float>(x[i]);
}

constexpr int kAddOne = __LINE__;
__global__ void add_one_kernel(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x] + 1; }

constexpr int kFloat4 = __LINE__;
__global__ void float4_kernel(float* y, const float* x) {
  const float4 v = load4(x + 4 * threadIdx.x);
  y[threadIdx.x] = v.x + v.w;
}

constexpr int kDouble = __LINE__;
__global__ void double_kernel(float* y, const double* x) {
  y[threadIdx.x] = static_cast<float>(x[threadIdx.x]);
}

constexpr int kLdg = __LINE__;
__global__ void ldg_kernel(float* y, const float4* x) {
  const float4 v = __ldg(x + threadIdx.x);
  y[threadIdx.x] = v.x + v.w;
}

struct Pair {
  float* y;
  const float* x;
};

constexpr int kPair = __LINE__;
template <bool kRight>
__global__ void pair_kernel(const Pair p, int n) {
  const int i = threadIdx.x;
  if (i < (kRight ? n : n + 1)) p.y[i] = p.x[i];
}

Floats run_add_one(const float* x) {
  DeviceArray<float> y(kThreads);
  launch(add_one_kernel, 1, kThreads, 0, {}, y.data(), x);
  return y.values();
}

}  // namespace

PlantedBug read_behind_end() {
  return {"difference_kernel",
          FindingKind::kOutOfBounds,
          {{kDifference + 6, 0, kThreads - 1}},
          "0 bytes behind the end of argument 2 (256 bytes allocated at",
          [](bool right) {
            DeviceArray<float> x(numbers(kThreads)), y(kThreads);
            launch(right ? difference_kernel<1, true> : difference_kernel<1, false>, 1, kThreads, 0, {},
                   y.data(), x.data(), kThreads);
            return y.values();
          },
          floats(kThreads, [](int i) { return i < kThreads - 1 ? 1 : 0; })};
}

PlantedBug read_before_start() {
  return {"difference_kernel",
          FindingKind::kOutOfBounds,
          {{kDifference + 6, 0, 0}},
          "4 bytes before the start of argument 2 (256 bytes allocated at",
          [](bool right) {
            DeviceArray<float> x(numbers(kThreads)), y(kThreads);
            launch(right ? difference_kernel<-1, true> : difference_kernel<-1, false>, 1, kThreads, 0, {},
                   y.data(), x.data(), kThreads);
            return y.values();
          },
          floats(kThreads, [](int i) { return i > 0 ? -1 : 0; })};
}

PlantedBug write_behind_end() {
  return {"fill_kernel",
          FindingKind::kOutOfBounds,
          {{kFill + 4, 0, 50}},
          "0 bytes behind the end of argument 1 (200 bytes",
          [](bool right) {
            DeviceArray<float> y(50);
            launch(right ? fill_kernel<true> : fill_kernel<false>, 1, kThreads, 0, {}, y.data(), 50);
            return y.values();
          },
          floats(50, [](int i) { return i; })};
}

PlantedBug word_over_end() {
  return {"words_kernel",
          FindingKind::kOutOfBounds,
          {{kWords + 3, 0, 2}},
          "element 2 of 4 bytes), of which the last 2 bytes are behind the end, 10 bytes allocated at",
          [](bool right) {
            DeviceArray<unsigned char> x(std::vector<unsigned char>{1, 0, 0, 0, 2, 0, 0, 0, 3, 0});
            DeviceArray<float> y(2);
            launch(words_kernel, 1, kThreads, 0, {}, y.data(), reinterpret_cast<unsigned*>(x.data()),
                   right ? 2 : 3);
            return y.values();
          },
          {1, 2}};
}

PlantedBug use_after_free() {
  return {"add_one_kernel",
          FindingKind::kUseAfterFree,
          {{kAddOne + 1, 0, 0}},
          "argument 2 + 0 bytes (element 0 of 4 bytes), 256 bytes allocated at",
          [](bool right) {
            void* x = nullptr;
            CUDA_CHECK(cudaMalloc(&x, kThreads * sizeof(float)));
            CUDA_CHECK(cudaMemset(x, 0, kThreads * sizeof(float)));
            if (!right) CUDA_CHECK(cudaFree(x));
            const Floats y = run_add_one(static_cast<const float*>(x));
            CUDA_CHECK(cudaFree(x));
            return y;
          },
          Floats(kThreads, 1)};
}

PlantedBug misaligned_float4() {
  return {"float4_kernel",
          FindingKind::kMisaligned,
          {{kFloat4 + 2, 0, 0}},
          "argument 2 + 0 bytes (element 0 of 16 bytes), 1040 bytes allocated at",
          [](bool right) {
            DeviceArray<float> x(numbers(4 * kThreads + 4)), y(kThreads);
            launch(float4_kernel, 1, kThreads, 0, {}, y.data(), x.data() + (right ? 4 : 1));
            return y.values();
          },
          floats(kThreads, [](int i) { return 8 * i + 13; })};
}

PlantedBug misaligned_double() {
  return {"double_kernel",
          FindingKind::kMisaligned,
          {{kDouble + 2, 0, 0}},
          "the address must be a multiple of 8",
          [](bool right) {
            DeviceArray<float> x(Floats(2 * kThreads + 2, 0)), y(kThreads);
            launch(double_kernel, 1, kThreads, 0, {}, y.data(),
                   reinterpret_cast<const double*>(x.data() + (right ? 2 : 1)));
            return y.values();
          },
          Floats(kThreads, 0)};
}

PlantedBug misaligned_ldg() {
  return {"ldg_kernel",
          FindingKind::kMisaligned,
          {{kLdg + 2, 0, 0}},
          "the address must be a multiple of 16",
          [](bool right) {
            DeviceArray<float> x(numbers(4 * kThreads + 4)), y(kThreads);
            launch(ldg_kernel, 1, kThreads, 0, {}, y.data(),
                   reinterpret_cast<const float4*>(x.data() + (right ? 4 : 2)));
            return y.values();
          },
          floats(kThreads, [](int i) { return 8 * i + 13; })};
}

PlantedBug unwritten_device_memory() {
  return {"add_one_kernel",
          FindingKind::kUninitialised,
          {{kAddOne + 1, 0, 0}},
          "at argument 2 + 0 bytes (element 0 of 4 bytes), 256 bytes allocated at",
          [](bool right) {
            DeviceArray<float> x(kThreads);
            if (right) CUDA_CHECK(cudaMemset(x.data(), 0, kThreads * sizeof(float)));
            return run_add_one(x.data());
          },
          Floats(kThreads, 1)};
}

PlantedBug host_pointer() {
  return {"add_one_kernel",
          FindingKind::kHostMemory,
          {{kAddOne + 1, 0, 0}},
          "host memory: argument 2 + 0 bytes",
          [](bool right) {
            const Floats pageable(kThreads, 0);
            void* pinned = nullptr;  // which the device may reach
            CUDA_CHECK(cudaMallocHost(&pinned, kThreads * sizeof(float)));
            std::copy(pageable.begin(), pageable.end(), static_cast<float*>(pinned));
            const Floats y = run_add_one(right ? static_cast<const float*>(pinned) : pageable.data());
            CUDA_CHECK(cudaFreeHost(pinned));
            return y;
          },
          Floats(kThreads, 1)};
}

PlantedBug null_pointer() {
  return {"add_one_kernel",
          FindingKind::kHostMemory,
          {{kAddOne + 1, 0, 0}},
          "address 0x0: a null pointer",
          [](bool right) {
            DeviceArray<float> x(Floats(kThreads, 0));
            return run_add_one(right ? x.data() : nullptr);
          },
          Floats(kThreads, 1)};
}

PlantedBug pointer_in_struct() {
  return {"pair_kernel",
          FindingKind::kOutOfBounds,
          {{kPair + 4, 0, 8}},
          "0 bytes behind the end of allocation ",
          [](bool right) {
            DeviceArray<float> x(numbers(8)), y(8);
            launch(right ? pair_kernel<true> : pair_kernel<false>, 1, kThreads, 0, {},
                   Pair{y.data(), x.data()}, 8);
            return y.values();
          },
          numbers(8)};
}

PlantedBug part_of_arena() {
  return {"add_one_kernel",
          FindingKind::kUninitialised,
          {{kAddOne + 1, 0, 0}},
          "at weights + 64 bytes (element 16 of 4 bytes), which has 320 bytes",
          [](bool right) {
            DeviceArray<float> arena(256);
            emulator::name_range(arena.data() + 128, 80 * sizeof(float), "weights");
            const size_t written = right ? 80 : 16;
            CUDA_CHECK(cudaMemset(arena.data() + 128, 0, written * sizeof(float)));
            return run_add_one(arena.data() + 128 + 16);
          },
          Floats(kThreads, 1)};
}

}  // namespace swag::planted
