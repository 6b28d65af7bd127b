// The ladder: the same two computations again and again, each step one idea faster than the one before.
// docs/ladder.md says in which order to read them. No CUDA type here; a Stream's handle is a cudaStream_t.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/conv2d/conv2d.h"
#include "kernels/softmax.h"
#include "kernels/stream.h"

namespace swag::ladder {

/// What happens to a result on its way to memory.
struct Epilogue {
  const float* bias = nullptr;  // (c_out) or null
  bool relu = false;            // lets NaN through
};

/// y = relu(bias + x * weight), see kernels/conv2d/conv2d.h: any kernel size, stride and padding. All
/// pointers are device memory; `params.algorithm` is not looked at.
using Conv2dForward = void(float* y,             // (h_out, w_out, c_out), pitch y_pitch
                           const float* x,       // (h, w, c_in), pitch x_pitch
                           const float* weight,  // (c_out, kh, kw, c_in)
                           const Epilogue& epilogue, const Conv2dParams& params, Stream stream);

Conv2dForward conv2d_1_naive;
Conv2dForward conv2d_2_coalesced;
Conv2dForward conv2d_3_tiled;
Conv2dForward conv2d_4_register_tiled;
Conv2dForward conv2d_5_vectorised;
Conv2dForward conv2d_6_tensor_cores;
Conv2dForward conv2d_7_pipelined;
Conv2dForward conv2d_8_wgmma;  // where tensor_map_takes(params)

/// Pixels at multiples of 16 bytes, and no stride that is too large for the TMA.
inline bool tensor_map_takes(const Conv2dParams& p) {
  return p.layer.c_in % 4 == 0 && p.x_pitch % 4 == 0 && p.layer.stride_h <= 8 && p.layer.stride_w <= 8;
}

/// s = m * d * softmax(f / temperature) over the whole map, see kernels/softmax.h; m * d >= 1. All pointers
/// are device memory; `scratch` holds softmax_scratch_bytes, aligned to 16.
using SoftmaxForward = void(float* s,        // (m, d); may not overlap f
                            const float* f,  // (m, d)
                            void* scratch, const SoftmaxParams& params, Stream stream);

SoftmaxForward softmax_1_three_pass;
SoftmaxForward softmax_2_online;
SoftmaxForward softmax_3_two_stage;

constexpr int kSoftmaxBlocks = 256;  // at most, of a reduction's first stage: as many partial results
constexpr int64_t softmax_scratch_bytes() {
  return (kSoftmaxBlocks + 1) * static_cast<int64_t>(sizeof(SoftmaxStatistics));
}

/// What a step makes of x and weight before it multiplies. TF32 has 10 bits behind the point.
enum class Operands : uint8_t { kFloat, kRoundedToTf32, kCutToTf32 };

struct Conv2dStep {
  const char* name;
  const char* idea;
  Conv2dForward* run;
  Operands operands;
  bool fast;            // its counts must not get worse
  double tolerance;     // relative L2 error against the CPU twin
  bool hopper = false;  // wgmma and the TMA: only on some devices, only what a tensor map takes

  bool takes(const Conv2dParams& params) const { return !hopper || tensor_map_takes(params); }
};

struct SoftmaxStep {
  const char* name;
  const char* idea;
  SoftmaxForward* run;
  bool fast;
  double tolerance;
};

inline const std::vector<Conv2dStep>& conv2d_steps() {
  static const std::vector<Conv2dStep> steps = {
      {"conv2d_1_naive", "one thread per output", conv2d_1_naive, Operands::kFloat, false, 1e-6},
      {"conv2d_2_coalesced", "lanes read neighbouring channels", conv2d_2_coalesced, Operands::kFloat, false,
       1e-6},
      {"conv2d_3_tiled", "a block shares what it reads", conv2d_3_tiled, Operands::kFloat, false, 1e-6},
      {"conv2d_4_register_tiled", "a thread computes 8 x 4 outputs", conv2d_4_register_tiled,
       Operands::kFloat, false, 1e-6},
      {"conv2d_5_vectorised", "16 bytes per access, no bank conflicts", conv2d_5_vectorised, Operands::kFloat,
       true, 1e-6},
      {"conv2d_6_tensor_cores", "TF32 mma.sync fed by cp.async", conv2d_6_tensor_cores,
       Operands::kRoundedToTf32, true, 2e-3},
      {"conv2d_7_pipelined", "fragments are read a step ahead", conv2d_7_pipelined, Operands::kRoundedToTf32,
       true, 2e-3},
      {"conv2d_8_wgmma", "one thread copies, warpgroups multiply", conv2d_8_wgmma, Operands::kCutToTf32, true,
       2e-3, true},
  };
  return steps;
}

inline const std::vector<SoftmaxStep>& softmax_steps() {
  static const std::vector<SoftmaxStep> steps = {
      {"softmax_1_three_pass", "maximum, then sum, then quotient", softmax_1_three_pass, false, 1e-6},
      {"softmax_2_online", "maximum and sum in one pass", softmax_2_online, false, 1e-6},
      {"softmax_3_two_stage", "vector loads, shuffles, no launch in between", softmax_3_two_stage, true,
       1e-6},
  };
  return steps;
}

}  // namespace swag::ladder
