// Lists what one evaluation asks of a GPU: every op, every kernel with its grid, what it multiplies and
// moves. For tools/gpu_model.py, which predicts times from it.
//
//   launch_list sm_90 vgg19:512:tf32 resnet50:1024:half vgg19:512:half+wgmma > launches.jsonl
//
// The program itself runs, on the emulated GPU of that architecture, but in place of the emulator's engine
// and products stand those below, which write down what was launched and do nothing: so 1024 pixels take
// seconds, and a prediction follows the code when tiles change. Sums, and so losses, are those of zeros.
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/conv2d/wgmma_plan_cuda.h"
#include "src/backend/device_plugin.h"
#include "src/network/graph.h"
#include "src/run/bench.h"
#include "src/weights/weights.h"
#include "tests/emulator/cublas.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/engine.h"

namespace {

using namespace swag;
using namespace swag::cuda;
using namespace swag::cuda::conv2d;
using Json = nlohmann::ordered_json;

constexpr uint64_t kSeed = 7;
constexpr int kGramChunk = 512, kGramTile = 64;  // of kernels/gram_cuda.cu and gram_tensor_cuda.cu

/// A launch as it was asked for; a product of cuBLAS has sizes in place of a grid.
struct Asked {
  std::string kernel;  // without namespaces
  dim3 grid, block;
  size_t shared_bytes = 0;
  int m = 0, n = 0, k = 0, batch = 0, element_bytes = 0;

  int64_t blocks() const { return int64_t{grid.x} * grid.y * grid.z; }
  bool is(const char* name) const { return kernel.compare(0, std::string(name).size(), name) == 0; }
  /// Of what a kernel reads, as its template's arguments say; wgmma's first is a WgmmaOperands.
  int operand_bytes() const {
    const bool small = kernel.find("Float16") != std::string::npos ||
                       (is("conv2d_wgmma_kernel") && !is("conv2d_wgmma_kernel<0,"));
    return small ? 2 : 4;
  }
};

std::vector<Asked>& asked() {
  static std::vector<Asked> list;
  return list;
}

void ask_product(const char* name, int m, int n, int k, int batch, int element_bytes) {
  Asked product;
  product.kernel = name;
  product.m = m;
  product.n = n;
  product.k = k;
  product.batch = batch;
  product.element_bytes = element_bytes;
  asked().push_back(product);
}

/// And without the types of enumerators: as tools/sass_loops.py has it.
std::string without_namespaces(std::string name) {
  for (const char* part : {"(anonymous namespace)::", "{anonymous}::", "swag::", "cuda::", "conv2d::",
                           "void ", "(WgmmaOperands)"}) {
    const std::string text = part;
    for (size_t at = name.find(text); at != std::string::npos; at = name.find(text))
      name.erase(at, text.size());
  }
  return name;
}

}  // namespace

// ---------------------------------------------------------------- in place of the emulator's

bool emulator::run_launch(const Launch& launch) {
  Asked a;
  a.kernel = without_namespaces(launch.kernel);
  a.grid = launch.grid;
  a.block = launch.block;
  a.shared_bytes = launch.shared_bytes;
  asked().push_back(a);
  return true;
}

cublasStatus_t cublasSgemm(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k,
                           const float*, const float*, int, const float*, int, const float*, float*, int) {
  ask_product("cublasSgemm", m, n, k, 1, 4);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n,
                                         int k, const float*, const float*, int, long long, const float*, int,
                                         long long, const float*, float*, int, long long, int batch) {
  ask_product("cublasSgemmStridedBatched", m, n, k, batch, 4);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDgemm(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k,
                           const double*, const double*, int, const double*, int, const double*, double*,
                           int) {
  ask_product("cublasDgemm", m, n, k, 1, 8);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDgemmBatched(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k,
                                  const double*, const double* const[], int, const double* const[], int,
                                  const double*, double* const[], int, int batch) {
  ask_product("cublasDgemmBatched", m, n, k, batch, 8);
  return CUBLAS_STATUS_SUCCESS;
}

namespace {

// ---------------------------------------------------------------- what a launch costs at least

enum class Unit { kNone, kFloat, kTensor, kWgmma, kBlas };
const char* const kUnits[] = {"none", "float", "tensor", "wgmma", "blas"};

/// As many blocks with as many multiply-adds each, those with padding too.
struct Part {
  int64_t blocks;
  double multiply_adds;
};

struct Cost {
  Unit unit = Unit::kNone;
  int n = 0;  // channels of a tile of wgmma, on which its rate depends
  std::vector<Part> parts;
  double bytes = 0;     // of device memory: operands read once and results written once
  double l2_bytes = 0;  // that all blocks ask for; 0: no more than `bytes`
};

/// What an op's text says of its convolution.
struct Convolution {
  Conv2dParams params;
  Conv2dDirection direction = Conv2dDirection::kForward;

  Gemm gemm() const { return gemm_of(params, direction); }
};

Convolution convolution_of(const OpWork& work) {
  Convolution c;
  Conv2dLayer& l = c.params.layer;
  int out_h = 0, out_w = 0;
  if (work.op == "gram_backward") {  // ds = S D, a 1x1
    if (std::sscanf(work.shape.c_str(), "%dx%dx%d", &c.params.h, &c.params.w, &l.c_in) != 3) {
      throw std::runtime_error("not understood: " + work.name());
    }
    l.c_out = l.c_in;
  } else {
    if (std::sscanf(work.shape.c_str(), "%dx%dx%d to %dx%dx%d, %dx%d, stride %dx%d, pad %dx%d", &c.params.h,
                    &c.params.w, &l.c_in, &out_h, &out_w, &l.c_out, &l.kh, &l.kw, &l.stride_h, &l.stride_w,
                    &l.pad_h, &l.pad_w) != 12) {
      throw std::runtime_error("not understood: " + work.name());
    }
    if (work.op == "conv2d_backward_data") c.direction = Conv2dDirection::kBackwardData;
  }
  c.params.x_pitch = l.c_in;
  c.params.y_pitch = l.c_out;
  return c;
}

/// Blocks of m pixels by n channels, `slices(phase)` slices of `columns` columns each. Of a split sum whoever
/// adds up reads the parts, floats.
template <typename Blocks, typename Slices>
Cost tiled_cost(const Gemm& g, Unit unit, int m, int n, int splits, int columns, int element_bytes,
                const Blocks& blocks, const Slices& slices) {
  Cost cost;
  cost.unit = unit;
  for_each_phase(g, [&](const Phase& phase) {
    const int64_t count = blocks(phase) * splits;
    const double each = static_cast<double>(slices(phase)) / splits;
    if (count == 0) return;
    cost.parts.push_back({count, each * columns * m * n});
    const double sum_bytes = splits > 1 ? 2 * sizeof(float) : element_bytes;
    cost.l2_bytes +=
        static_cast<double>(count) * (each * (m + n) * columns * element_bytes + sum_bytes * m * n);
  });
  return cost;
}

/// Of a TensorTiling or a WgmmaTiling.
template <typename Tiling>
Cost tensor_cost(const Gemm& g, Unit unit, const Tiling& tiling, int element_bytes) {
  const auto& tile = tiling.size();
  const int columns = row_columns(element_bytes);
  return tiled_cost(
      g, unit, tile.m, tile.n, tiling.splits, columns, element_bytes,
      [&](const Phase& phase) { return pixel_tiles(phase, tile.m) * (g.out / tile.n); },
      [&](const Phase& phase) { return int64_t{phase.taps()} * g.in / columns; });
}

Cost gemm_cost(const Gemm& g) {
  const Tiling t = choose_tiling(g);
  return tiled_cost(
      g, Unit::kFloat, t.m, t.n, t.splits, kDepth, sizeof(float),
      [&](const Phase& phase) { return ceil_div(phase.pixels(), t.m) * (g.out_padded / t.n); },
      [&](const Phase& phase) { return g.slices(phase); });
}

double product_bytes(const Asked& a) {
  const double m = a.m, n = a.n, k = a.k;
  return (m * k + k * n + m * n) * a.element_bytes * a.batch;
}

/// Of any launch of an op but a convolution's on tensor cores. What the op moves is its first launch's,
/// unless it is known better; the others' are in the second-level cache, or next to nothing.
Cost cost_of(const Asked& a, const OpWork& work, bool is_first) {
  Cost cost;
  const auto map_of = [&] { return convolution_of({"gram_backward", work.shape, 0, 0}).params; };
  if (a.batch > 0) {
    cost.unit = Unit::kBlas;
    cost.bytes = product_bytes(a);
  } else if (a.is("conv2d_gemm_kernel")) {
    const Gemm g = convolution_of(work).gemm();
    cost = gemm_cost(g);
    cost.bytes = work.bytes;
  } else if (a.is("conv2d_forward_image_kernel") || a.is("conv2d_backward_image_kernel")) {
    cost.unit = Unit::kFloat;
    cost.bytes = work.bytes;
    const double products = work.flops / 2 / static_cast<double>(a.blocks());
    cost.parts.push_back({a.blocks(), products});
  } else if (a.is("conv2d_add_splits_kernel")) {  // its argument is what it writes
    const DType written = a.operand_bytes() == 2 ? DType::kFloat16 : DType::kFloat32;
    cost.bytes = static_cast<double>(gemm_workspace_bytes(convolution_of(work).gemm(), written));
  } else if (a.is("gram_tensor_kernel")) {
    const Conv2dParams map = map_of();
    const double positions = static_cast<double>(map.h) * map.w / a.grid.y;
    cost.unit = Unit::kTensor;
    cost.parts.push_back({a.blocks(), positions * kGramTile * kGramTile});
    cost.bytes = work.bytes;
    cost.l2_bytes = static_cast<double>(a.blocks()) * positions * 2 * kGramTile * a.operand_bytes();
  } else if (a.is("centre_kernel")) {  // reads S, writes a copy in float
    const double positions = std::min<double>(kGramChunk * a.grid.y, 1.0 * map_of().h * map_of().w);
    cost.bytes = (a.operand_bytes() + 4) * positions * map_of().layer.c_in;
  } else if (a.is("add_products_kernel") || a.is("store_gram_kernel") || a.is("add_gram_splits_kernel")) {
    const double d = map_of().layer.c_in, slices = a.is("add_products_kernel") ? a.grid.y : 1;
    cost.bytes = 8 * d * d * slices;
  } else if (a.is("tensor_pack_kernel")) {  // reads float
    const double d = map_of().layer.c_in;
    cost.bytes = (4 + a.operand_bytes()) * d * d;
  } else if (a.is("gram_range_kernel")) {
    const double d = map_of().layer.c_in;
    cost.bytes = 4 * d * d;
  } else if (is_first) {
    cost.bytes = work.bytes;
  }
  return cost;
}

// ---------------------------------------------------------------- listing

struct Subject {
  std::string network;
  int size = 0;
  std::string precision;
  bool wgmma = false;

  std::string mode() const { return precision + (wgmma ? "+wgmma" : ""); }
};

Json json_of(const Asked& a, const Cost& cost) {
  Json json = {{"kernel", a.kernel}, {"unit", kUnits[static_cast<int>(cost.unit)]}};
  if (a.batch > 0) {
    json["product"] = {a.m, a.n, a.k, a.batch};
  } else {
    json["grid"] = {a.grid.x, a.grid.y, a.grid.z};
    json["threads"] = a.block.x * a.block.y * a.block.z;
    json["shared"] = a.shared_bytes;
  }
  if (!cost.parts.empty()) {
    Json parts = Json::array();
    for (const Part& part : cost.parts) parts.push_back({part.blocks, part.multiply_adds});
    json["parts"] = parts;
  }
  if (cost.n > 0) json["n"] = cost.n;
  json["bytes"] = cost.bytes;
  if (cost.l2_bytes > 0) json["l2_bytes"] = cost.l2_bytes;
  return json;
}

/// The plan of a convolution's launch on tensor cores. Throws where plan and launch differ.
Cost planned(const Asked& a, const OpWork& work, const TensorUnits& units) {
  const Gemm g = convolution_of(work).gemm();
  const int bytes = a.operand_bytes();
  const auto check = [&](int64_t tiles, int splits) {
    const int64_t phases = std::min(g.phases(), kPhasesPerLaunch);
    if (a.grid.x != tiles / phases || static_cast<int>(a.grid.y) != splits || a.grid.z != phases) {
      throw std::runtime_error(work.name() + ": launched otherwise than planned");
    }
  };
  Cost cost;
  if (a.is("conv2d_wgmma_kernel")) {
    const WgmmaTiling tiling = choose_wgmma_tiling(g, bytes, units);
    check(launched_tiles(g, tiling.size().m, tiling.size().n), tiling.splits);
    cost = tensor_cost(g, Unit::kWgmma, tiling, bytes);
    cost.n = tiling.size().n;
  } else {
    const TensorTiling tiling = choose_tensor_tiling(g, bytes, units);
    check(launched_tiles(g, tiling.size().m, tiling.size().n), tiling.splits);
    cost = tensor_cost(g, Unit::kTensor, tiling, bytes);
  }
  cost.bytes = work.bytes;
  return cost;
}

class Lister {
 public:
  explicit Lister(const std::string& architecture) : architecture_(architecture) {
    emulator::Options options;
    options.architecture = architecture;
    options.device_bytes = size_t{64} << 30;  // of which only what is written becomes memory
    emulator::configure(options);
    const emulator::Architecture& a = *emulator::find_architecture(architecture);
    has_wgmma_ = a.major == 9;
    units_.processors = a.multiprocessors;
    units_.shared_bytes = static_cast<int>(a.shared_per_block_optin);
    units_.processor_shared_bytes = static_cast<int>(a.shared_per_multiprocessor);
  }

  void list(const Subject& subject) {
    if (subject.wgmma && !has_wgmma_) throw std::runtime_error(architecture_ + " has no wgmma: sm_90 has");
    setenv("SWAG_WGMMA", subject.wgmma ? "1" : "0", 1);  // a backend asks when it is made
    const std::unique_ptr<Backend> backend = swag_cuda_plugin()->make_backend(0);
    Model model;
    model.graph = make_network(subject.network);
    model.weights = splitmix_weights(model.graph, kSeed);
    StylizeOptions options;
    options.precision = parse_precision(subject.precision);
    options.history = 1;
    options.objective.style_loss = StyleLossKind::kGram;
    // What prepares half precision, a way through the network in single, comes before the ops it shows.
    bench_ops(*backend, model, options, subject.size, 1, [&](const OpWork& work, bool begins) {
      if (begins) {
        asked().clear();
        emulator::take_calls();
      } else if (work.op.find("lbfgs") != 0) {  // the optimiser's: no part of an evaluation
        print(subject, work);
      }
    });
  }

 private:
  void print(const Subject& subject, const OpWork& work) {
    const emulator::CallCounts calls = emulator::take_calls();
    Json launches = Json::array();
    for (const Asked& a : asked()) {
      const bool planned_here = a.is("conv2d_tensor_kernel") || a.is("conv2d_wgmma_kernel");
      launches.push_back(
          json_of(a, planned_here ? planned(a, work, units_) : cost_of(a, work, launches.empty())));
    }
    for (uint64_t i = 0; i < calls.fills + calls.within_device; ++i) {
      launches.push_back(
          {{"kernel", calls.fills > 0 ? "memset" : "memcpy"}, {"unit", "none"}, {"bytes", work.bytes}});
    }
    const Json line = {{"network", subject.network},    {"size", subject.size}, {"precision", subject.mode()},
                       {"architecture", architecture_}, {"op", work.op},        {"shape", work.shape},
                       {"launches", launches}};
    std::printf("%s\n", line.dump().c_str());
  }

  std::string architecture_;
  bool has_wgmma_ = false;
  TensorUnits units_;
};

Subject subject_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ':');) words.push_back(word);
  if (words.size() != 3 || std::atoi(words[1].c_str()) < 1) {
    throw std::runtime_error(text + ": expected NETWORK:SIZE:PRECISION");
  }
  const std::string precision = words[2].substr(0, words[2].find('+'));
  if (words[2] != precision && words[2] != precision + "+wgmma") {
    throw std::runtime_error(words[2] + ": only wgmma can be added to a precision");
  }
  return {words[0], std::atoi(words[1].c_str()), precision, words[2] != precision};
}

int run(int argc, char** argv) {
  if (argc < 3) throw std::runtime_error("expected ARCHITECTURE NETWORK:SIZE:PRECISION ...");
  Lister lister(argv[1]);
  for (int i = 2; i < argc; ++i) lister.list(subject_of(argv[i]));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "launch_list: %s\n", error.what());
    return 1;
  }
}
