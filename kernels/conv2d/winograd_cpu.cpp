// Winograd's convolution: blocks of tiles are transformed, multiplied position by position with packed
// weights (gemm_micro_kernel.h), and transformed back into the map, all within the caches.
//
// Where the transformed weights of a layer fit the caches, each thread has blocks of its own. Where they do
// not, all threads work on one block that is large enough to be worth transforming the weights for anew.
//
// Bounded by arithmetic: a quarter of the direct convolution's products, and the transforms, which by count
// add a sixth at 64 channels and a fiftieth at 512.
#include "kernels/conv2d/winograd_cpu.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "kernels/conv2d/plan_cpu.h"
#include "kernels/conv2d/winograd_transform_cpu.h"
#include "kernels/cpu/gemm_micro_kernel.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/mask.h"

namespace swag::cpu {
namespace {

using direct::ceil_div;
using direct::Correlation;
using direct::round_up;

constexpr int64_t kOwnTiles = 12;     // of a thread's block: whole tiles of every micro-kernel, half a cache
constexpr int64_t kSharedTiles = 96;  // of a block of all threads
constexpr int64_t kRowChunk = 24;     // tiles multiplied with all panels of a group while they are near
constexpr int kGroupChannels = 64;    // output channels multiplied, then transformed, at a time
constexpr int kWeightChannels = 32;   // of a shared block's, whose weights are transformed at a time
constexpr int kWordChannels = 32;     // a group is whole words of the mask
constexpr int kFewestChannels = 32;   // see winograd_pays
constexpr int64_t kCachedBytes = 8 << 20;  // see weights_leave_cache
constexpr int64_t kLine = direct::kLine<float>;
constexpr int kPatch = kWinogradPatch, kTile = kWinogradTile, kTaps = kWinogradTaps,
              kPositions = kWinogradPositions;

const WinogradKernels& fastest_kernels() {
  if (const WinogradKernels* kernels = winograd_kernels(InstructionSet::kAvx512)) return *kernels;
  if (const WinogradKernels* kernels = winograd_kernels(InstructionSet::kAvx2)) return *kernels;
  return *winograd_kernels_generic();
}

const WinogradKernels& transforms() {
  static const WinogradKernels& kernels = fastest_kernels();
  return kernels;
}

struct Plan {
  Correlation<float> map;            // pointers are null while only sizes are asked for
  int y_h = 0;                       // rows that are written; map.y_w columns
  int first_row = 0, first_col = 0;  // of the map, that the first tile reads
  int tile_cols = 0;
  int64_t tiles = 0;

  bool shared = false;      // all threads on one block
  int64_t blocks = 0;       // of tiles
  int64_t block_tiles = 0;  // at most
  int64_t groups = 0;
  int64_t parts = 1;                // of a shared block's tiles, so that there is work for many threads
  int64_t v_pitch = 0, v_step = 0;  // elements from tile to tile, from position to position
  int64_t m_pitch = 0, m_step = 0;
  int64_t u_step = 0;  // of a shared block's transformed weights; 0: all are packed

  int64_t begin(int64_t block) const { return tiles * block / blocks; }
  int64_t v_elements() const { return kPositions * v_step; }
  int64_t m_elements() const { return kPositions * m_step; }
  int64_t u_elements() const { return kPatch * u_step; }
};

/// Whether the transformed weights of a layer are more than the caches hold: then they are packed as they
/// are, and transformed for each shared block.
bool weights_leave_cache(const direct::Channels& c) {
  return kPositions * int64_t{c.in} * c.out * int64_t{sizeof(float)} > kCachedBytes;
}

/// An odd number of cache lines: lines this far apart are spread over all sets of a cache.
int64_t odd_lines(int64_t elements) { return (ceil_div(elements, kLine) | 1) * kLine; }

Plan make_plan(const Conv2dParams& params, Conv2dDirection direction, int threads) {
  const bool forward = direction == Conv2dDirection::kForward;
  Plan plan;
  plan.map = direct::geometry<float>(params, direction);
  plan.y_h = forward ? params.h_out() : params.h;
  // Backward: pixel u of dx is the sum over t of dy(u + pad - 2 + t) times the flipped weight's element t.
  plan.first_row = forward ? -params.layer.pad_h : params.layer.pad_h - 2;
  plan.first_col = forward ? -params.layer.pad_w : params.layer.pad_w - 2;
  plan.tile_cols = static_cast<int>(ceil_div(plan.map.y_w, kTile));
  plan.tiles = ceil_div(plan.y_h, kTile) * plan.tile_cols;

  const direct::Channels& c = plan.map.c;
  plan.shared = weights_leave_cache(c);
  plan.blocks = ceil_div(plan.tiles, plan.shared ? kSharedTiles : kOwnTiles);
  if (!plan.shared) plan.blocks = std::min(round_up(plan.blocks, threads), plan.tiles);
  plan.block_tiles = ceil_div(plan.tiles, plan.blocks);
  plan.groups = ceil_div(c.out, kGroupChannels);
  if (plan.shared) plan.parts = std::min(ceil_div(threads, plan.groups), plan.block_tiles);
  plan.v_pitch = odd_lines(c.in);
  plan.v_step = odd_lines(plan.block_tiles * plan.v_pitch);
  plan.m_pitch = odd_lines(std::min<int64_t>(round_up(c.out, kWordChannels), kGroupChannels));
  plan.m_step = odd_lines(ceil_div(plan.block_tiles, plan.parts) * plan.m_pitch);
  if (plan.shared) plan.u_step = odd_lines(int64_t{kWeightChannels} * c.in);
  return plan;
}

/// The rows or columns, of the patch that starts at `first`, that lie inside a map of `extent`.
uint32_t inside_bits(int first, int extent) {
  uint32_t bits = 0;
  for (int i = 0; i < kPatch; ++i) bits |= uint32_t{first + i >= 0 && first + i < extent} << i;
  return bits;
}

/// Tiles [begin, end) into rows of v from 0 on.
void transform_inputs(float* v, const Plan& plan, int64_t begin, int64_t end) {
  const Correlation<float>& map = plan.map;
  WinogradInput input;
  input.row_step = map.w * map.x_pitch;
  input.pixel_step = map.x_pitch;
  input.channels = map.c.in;
  input.position_step = plan.v_step;
  for (int64_t tile = begin; tile < end; ++tile) {
    const int row = plan.first_row + static_cast<int>(tile / plan.tile_cols) * kTile;
    const int col = plan.first_col + static_cast<int>(tile % plan.tile_cols) * kTile;
    input.x = map.x + row * input.row_step + col * input.pixel_step;
    input.rows = inside_bits(row, map.h);
    input.cols = inside_bits(col, map.w);
    input.v = v + (tile - begin) * plan.v_pitch;
    transforms().transform_input(input);
  }
}

/// Products of one position: `tiles` rows of v with the weights u of `channels` output channels, into m,
/// whose first column is theirs.
void multiply_position(float* m, const float* v, const float* u, const Plan& plan, int64_t tiles,
                       int channels) {
  const GemmKernel<float>& kernel = gemm_kernel<float>();
  GemmPanel<float> panel;
  panel.a_step = plan.v_pitch;
  panel.tap_rows = panel.taps = 1;
  panel.depth = plan.map.c.in;
  panel.y_step = plan.m_pitch;
  panel.columns = kernel.panel;  // what is too much is 0
  for (int64_t row = 0; row < tiles; row += kRowChunk) {
    panel.a = v + row * plan.v_pitch;
    panel.rows = std::min<int64_t>(kRowChunk, tiles - row);
    for (int n = 0; n < channels; n += kernel.panel) {
      panel.b = u + int64_t{n} * plan.map.c.in;
      panel.y = m + row * plan.m_pitch + n;
      kernel.multiply(panel);
    }
  }
}

/// All products of `tiles` rows of v with the weights of `channels` output channels from `channel` on, which
/// were transformed when they were packed.
void multiply(float* m, const float* v, const Plan& plan, int64_t tiles, int channel, int channels) {
  const int64_t depth = plan.map.c.in;
  const int64_t position_weights = round_up(plan.map.c.out, gemm_kernel<float>().panel) * depth;
  for (int position = 0; position < kPositions; ++position) {
    const float* u = plan.map.packed + position * position_weights + channel * depth;
    multiply_position(m + position * plan.m_step, v + position * plan.v_step, u, plan, tiles, channels);
  }
}

/// The same with weights that are transformed here, six positions of kWeightChannels channels at a time: what
/// comes from memory is a quarter, what is multiplied lies in the second-level cache.
void transform_and_multiply(float* m, const float* v, float* u, const Plan& plan, int64_t tiles, int channel,
                            int channels) {
  const int64_t depth = plan.map.c.in;
  WinogradWeights weights;
  weights.channels = gemm_kernel<float>().panel;
  weights.depth = depth;
  weights.position_step = plan.u_step;
  for (int first = 0; first < channels; first += kWeightChannels) {
    const int count = std::min(kWeightChannels, channels - first);
    for (int row = 0; row < kPatch; ++row) {
      for (int n = 0; n < count; n += weights.channels) {
        weights.g = plan.map.packed + kTaps * (channel + first + n) * depth;
        weights.u = u + n * depth;
        weights.row = row;
        transforms().transform_weights(weights);
      }
      for (int col = 0; col < kPatch; ++col) {
        const int position = row * kPatch + col;
        multiply_position(m + position * plan.m_step + first, v + position * plan.v_step,
                          u + col * plan.u_step, plan, tiles, count);
      }
    }
  }
}

void transform_outputs(const float* m, const Plan& plan, int64_t begin, int64_t end, int channel,
                       int channels) {
  const Correlation<float>& map = plan.map;
  const int64_t words = mask_words(map.c.out);
  WinogradOutput output;
  output.position_step = plan.m_step;
  output.channels = channels;
  output.row_step = map.y_w * map.y_pitch;
  output.pixel_step = map.y_pitch;
  output.bias = map.bias ? map.bias + channel : nullptr;
  output.relu = map.relu;
  output.mask_row_step = map.y_w * words;
  output.mask_pixel_step = words;
  for (int64_t tile = begin; tile < end; ++tile) {
    const int row = static_cast<int>(tile / plan.tile_cols) * kTile;
    const int col = static_cast<int>(tile % plan.tile_cols) * kTile;
    const int64_t pixel = int64_t{row} * map.y_w + col;
    const int64_t y = pixel * map.y_pitch + channel, word = pixel * words + channel / kWordChannels;
    output.m = m + (tile - begin) * plan.m_pitch;
    output.rows = std::min(kTile, plan.y_h - row);
    output.cols = std::min(kTile, map.y_w - col);
    output.y = map.y + y;
    output.residual = map.residual ? map.residual + y : nullptr;
    output.mask_out = map.mask_out ? map.mask_out + word : nullptr;
    output.mask_in = map.mask_in ? map.mask_in + word : nullptr;
    transforms().transform_output(output);
  }
}

/// Tiles [begin, end), which are rows of v from 0 on, times one group of output channels, into y.
void finish_group(float* m, const float* v, float* u, const Plan& plan, int64_t begin, int64_t end,
                  int64_t group) {
  const int channel = static_cast<int>(group) * kGroupChannels;
  const int channels = std::min(kGroupChannels, plan.map.c.out - channel);
  if (plan.shared) {
    transform_and_multiply(m, v, u, plan, end - begin, channel, channels);
  } else {
    multiply(m, v, plan, end - begin, channel, channels);
  }
  transform_outputs(m, plan, begin, end, channel, channels);
}

void run_own_blocks(const Plan& plan, float* workspace, Stream stream) {
  const int64_t per_thread = plan.v_elements() + plan.m_elements();
  parallel_tasks(stream, plan.blocks, [&](int64_t block, int thread) {
    float* v = workspace + thread * per_thread;
    float* m = v + plan.v_elements();
    const int64_t begin = plan.begin(block), end = plan.begin(block + 1);
    transform_inputs(v, plan, begin, end);
    for (int64_t group = 0; group < plan.groups; ++group)
      finish_group(m, v, nullptr, plan, begin, end, group);
  });
}

void run_shared_blocks(const Plan& plan, float* workspace, Stream stream) {
  constexpr int64_t kGrain = 4;
  float* const v = workspace;
  for (int64_t block = 0; block < plan.blocks; ++block) {
    const int64_t begin = plan.begin(block), tiles = plan.begin(block + 1) - begin;
    parallel_ranges(stream, tiles, kGrain, [&](int64_t first, int64_t last) {
      transform_inputs(v + first * plan.v_pitch, plan, begin + first, begin + last);
    });
    parallel_tasks(stream, plan.groups * plan.parts, [&](int64_t task, int thread) {
      const int64_t part = task % plan.parts, group = task / plan.parts;
      const int64_t first = tiles * part / plan.parts, last = tiles * (part + 1) / plan.parts;
      float* m = v + plan.v_elements() + thread * (plan.m_elements() + plan.u_elements());
      float* u = m + plan.m_elements();
      finish_group(m, v + first * plan.v_pitch, u, plan, begin + first, begin + last, group);
    });
  }
}

void run(const Plan& plan, void* workspace, Stream stream) {
  if (plan.shared) {
    run_shared_blocks(plan, static_cast<float*>(workspace), stream);
  } else {
    run_own_blocks(plan, static_cast<float*>(workspace), stream);
  }
}

/// The weights of one panel of output channels as (input channel, tap, channel of the panel); what is too
/// much of the panel stays as it is.
void gather_panel(float* taps, const float* weight, const Conv2dLayer& layer, Conv2dDirection direction,
                  int64_t first, int panel) {
  const bool forward = direction == Conv2dDirection::kForward;
  const direct::Channels c = direct::channels_of(layer, direction);
  const int columns = static_cast<int>(std::min<int64_t>(panel, c.out - first));
  for (int64_t k = 0; k < c.in; ++k) {
    for (int n = 0; n < columns; ++n) {
      const int64_t out = first + n;
      const float* from = weight + (forward ? out * kTaps * layer.c_in + k : k * kTaps * layer.c_in + out);
      float* to = taps + k * kTaps * panel + n;
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        to[tap * panel] = from[(forward ? tap : kTaps - 1 - tap) * layer.c_in];
      }
    }
  }
}

}  // namespace

const WinogradKernels* winograd_kernels(InstructionSet set) {
  if (!gemm_kernels(set)) return nullptr;
  switch (set) {
    case InstructionSet::kGeneric: return winograd_kernels_generic();
    case InstructionSet::kAvx2: return winograd_kernels_avx2();
    case InstructionSet::kAvx512: return winograd_kernels_avx512();
  }
  return nullptr;
}

bool winograd_can(const Conv2dLayer& l) {
  return l.kh == 3 && l.kw == 3 && l.stride_h == 1 && l.stride_w == 1;
}

bool winograd_pays(const Conv2dLayer& layer, Conv2dDirection direction) {
  const direct::Channels c = direct::channels_of(layer, direction);
  return winograd_can(layer) && std::min(c.in, c.out) >= kFewestChannels;
}

int64_t winograd_packed_count(const Conv2dLayer& layer, Conv2dDirection direction) {
  const direct::Channels c = direct::channels_of(layer, direction);
  return (weights_leave_cache(c) ? kTaps : kPositions) * round_up(c.out, gemm_kernel<float>().panel) * c.in;
}

/// Packed weights are (position, panel of output channels, input channel, channel of the panel); those that
/// leave the cache are (panel of output channels, input channel, tap, channel of the panel), not transformed.
void winograd_pack(float* packed, const float* weight, const Conv2dLayer& layer, Conv2dDirection direction,
                   Stream stream) {
  const direct::Channels c = direct::channels_of(layer, direction);
  const int panel = gemm_kernel<float>().panel;
  const int64_t panels = ceil_div(c.out, panel), panel_weights = int64_t{c.in} * panel;
  const bool late = weights_leave_cache(c);
  parallel_tasks(stream, panels, [&](int64_t index, int) {
    if (late) {
      float* taps = packed + index * kTaps * panel_weights;
      std::fill_n(taps, kTaps * panel_weights, 0.0f);
      gather_panel(taps, weight, layer, direction, index * panel, panel);
      return;
    }
    std::vector<float> taps(kTaps * panel_weights);
    gather_panel(taps.data(), weight, layer, direction, index * panel, panel);
    WinogradWeights weights;
    weights.g = taps.data();
    weights.channels = panel;
    weights.depth = c.in;
    weights.position_step = panels * panel_weights;
    for (weights.row = 0; weights.row < kPatch; ++weights.row) {
      weights.u = packed + weights.row * kPatch * weights.position_step + index * panel_weights;
      transforms().transform_weights(weights);
    }
  });
}

int64_t winograd_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, Stream stream) {
  const int threads = thread_count(stream);
  const Plan plan = make_plan(params, direction, threads);
  const int64_t elements =
      plan.v_elements() * (plan.shared ? 1 : threads) + (plan.m_elements() + plan.u_elements()) * threads;
  return elements * static_cast<int64_t>(sizeof(float));
}

void winograd_forward(float* y, const float* x, const float* packed,
                      const Conv2dForwardEpilogue<float>& epilogue, const Conv2dParams& params,
                      void* workspace, Stream stream) {
  assert(epilogue.relu || !epilogue.mask);
  Plan plan = make_plan(params, Conv2dDirection::kForward, thread_count(stream));
  plan.map.x = x;
  plan.map.y = y;
  plan.map.packed = packed;
  plan.map.bias = epilogue.bias;
  plan.map.residual = epilogue.residual;
  plan.map.relu = epilogue.relu;
  plan.map.mask_out = epilogue.mask;
  run(plan, workspace, stream);
}

void winograd_backward_data(float* dx, const float* dy, const float* packed,
                            const Conv2dBackwardEpilogue<float>& epilogue, const Conv2dParams& params,
                            void* workspace, Stream stream) {
  Plan plan = make_plan(params, Conv2dDirection::kBackwardData, thread_count(stream));
  plan.map.x = dy;
  plan.map.y = dx;
  plan.map.packed = packed;
  plan.map.residual = epilogue.addend;
  plan.map.mask_in = epilogue.mask;
  run(plan, workspace, stream);
}

}  // namespace swag::cpu
