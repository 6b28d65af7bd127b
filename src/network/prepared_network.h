// A graph and its weights made ready for a backend: nodes lowered to fused steps, batch norms folded,
// convolutions packed. Independent of the image's size, so all scales and the style pass share one.
#pragma once
#include <vector>

#include "src/backend/backend.h"
#include "src/network/graph.h"
#include "src/network/weights.h"

namespace swag {

/// One call of the backend. Values are named by the node that makes them.
struct Step {
  Op op = Op::kInput;
  int x = -1;         // node whose value is read; of kConcat the first, the graph has all
  int other = -1;     // the second operand: of kAdd, or the residual fused into kConv2d
  int y = -1;         // node whose value is written
  int conv = -1;      // kConv2d: node of the weights
  int norm = -1;      // kBatchNorm, or the batch norm folded into kConv2d: node of the parameters
  bool relu = false;  // y is a ReLU's output: kRelu itself, or fused into kConv2d
};

struct LoweringOptions {
  bool fold_batch_norm = true;  // into the convolution before it
  bool fuse = true;             // ReLU and residual addition into the convolution before them
  Conv2dAlgorithm conv = Conv2dAlgorithm::kAuto;  // where there is a choice; nothing to `lower`

  static LoweringOptions with(Conv2dAlgorithm conv) {
    LoweringOptions options;
    options.conv = conv;
    return options;
  }
};

/// The steps that compute every node up to and including `last`.
std::vector<Step> lower(const Graph& graph, int last, const LoweringOptions& options);

class PreparedNetwork {
 public:
  /// `dtype`: of maps; pixels and parameters have that which it is computed in. `last`: the deepest node that
  /// will be wanted. `scales`, by node, of maps in DType::kFloat16 (map_scales.h); none: 1. Throws
  /// Error(kMemory).
  PreparedNetwork(Backend& backend, const Graph& graph, const Weights& weights, DType dtype, int last,
                  bool with_backward, const LoweringOptions& options = {},
                  const std::vector<double>& scales = {});

  struct Parameters {
    Conv2dAlgorithm forward_algorithm = Conv2dAlgorithm::kDirect,
                    backward_algorithm = Conv2dAlgorithm::kDirect;
    Buffer forward, backward;  // packed weights
    Buffer bias;               // (c_out)
    Buffer scale, shift;       // (c) of an unfolded batch norm
    Buffer backward_scale;     // (c)
  };

  Backend& backend() const { return *backend_; }
  const Graph& graph() const { return *graph_; }
  /// What a node's map is stored as: `dtype` behind the first convolution, before it what that is computed
  /// in.
  DType dtype(int node) const { return pictures_[node] ? arithmetic_of(dtype_) : dtype_; }
  /// And its gradient: the same, but for the range's sake kBFloat16 where that is kFloat16. Gradients have no
  /// scale: they are of the map, not of what is stored.
  DType gradient_dtype(int node) const {
    return dtype(node) == DType::kFloat16 ? DType::kBFloat16 : dtype(node);
  }
  /// What a stored 1 stands for.
  double scale(int node) const { return scales_.empty() || pictures_[node] ? 1 : scales_[node]; }
  int last() const { return last_; }
  const std::vector<Step>& steps() const { return steps_; }
  const Parameters& parameters(int step) const { return parameters_[step]; }

 private:
  struct Staging;
  void prepare_conv2d(int step, const Weights& weights, bool with_backward, Conv2dAlgorithm wanted,
                      Staging& staging);
  void prepare_batch_norm(int step, const Weights& weights);
  Buffer upload(const std::vector<double>& values);

  Backend* backend_;
  const Graph* graph_;
  DType dtype_;
  int last_;
  std::vector<bool> pictures_;  // by node: no convolution comes before it
  std::vector<double> scales_;  // by node, or empty
  std::vector<Step> steps_;
  std::vector<Parameters> parameters_;
};

}  // namespace swag
