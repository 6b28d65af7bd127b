// Runs a prepared network on images of one size, forwards and backwards to the pixels.
//
// Backward needs no activations but at the taps: of a ReLU one bit per value is kept, of a max-pool the
// maximum's position. Everything lives in one arena, laid out by lifetime before it is allocated.
//
// A concatenation costs nothing where its parts, and later their gradients, are slices of one map: ops take
// any pitch. Copied are parts that must lie apart: taps, residuals, concatenations themselves, a part used
// twice.
#pragma once
#include <functional>
#include <vector>

#include "src/backend/arena.h"
#include "src/network/prepared_network.h"

namespace swag {

class Executor {
 public:
  /// `taps`: nodes whose values are wanted, in any order. `with_backward`: their values stay until backward()
  /// has asked for their gradients. `plan` receives the executor's pieces; bind() comes after it was placed.
  Executor(const PreparedNetwork& network, int h, int w, const std::vector<int>& taps, bool with_backward,
           ArenaPlan& plan);

  void bind(const Arena& arena);

  /// The feature map of taps[index], dense; valid inside the callback, or until backward() with_backward.
  using Visit = std::function<void(int index, const Tensor& f)>;
  /// `x`: (h, w, 3) normalised pixels. Calls `visit` as soon as each tap is there, in the order of execution.
  void forward(const Tensor& x, const Visit& visit);

  /// Writes dL/dF of taps[index] into df, or adds it when `accumulate`.
  using Seed = std::function<void(int index, const Tensor& f, const Tensor& df, bool accumulate)>;
  /// After forward(). Returns the gradient with respect to the normalised pixels, valid until the next
  /// forward().
  const Tensor& backward(const Seed& seed);

  /// Between forward() and backward(): the ReLU signs and pool positions, in the order of execution; and
  /// those of another run of the same network and size (any precision, any backend), imposed on the
  /// backward() that follows.
  std::vector<std::vector<uint8_t>> signs() const;
  void impose_signs(const std::vector<std::vector<uint8_t>>& signs);

  Shape shape(int node) const { return shapes_[node]; }

 private:
  enum class Act { kSeed, kMask, kConv2d, kBatchNorm, kPool, kAdd, kCopy };

  /// Where a node's map lies: a piece of the arena, or some of the channels of one.
  struct Place {
    int piece = -1;
    int64_t channel = 0, pitch = 0;
  };

  /// The concatenation into whose map a node's value is written.
  struct Part {
    int whole = -1;
    int64_t channel = 0;
  };

  /// One call on the way back; values and gradients are named by node, scratch by arena piece.
  struct Action {
    Act act;
    int step = -1;            // whose backward this is
    int to = -1, from = -1;   // nodes whose gradients are written and read
    bool accumulate = false;  // the written gradient already holds something
    bool mask = false;        // kConv2d: apply the ReLU signs of `to` as well
    int scratch = -1;         // kPool: arena piece for the result that is then added
    int64_t channel = 0;      // kAdd, kCopy: the first of the channels of `from`
  };

  void find_parts();
  void plan_forward(ArenaPlan& plan, bool with_backward);
  void plan_value(ArenaPlan& plan, int node, int time);
  void plan_backward(ArenaPlan& plan);
  void plan_step_backward(ArenaPlan& plan, int step);
  void plan_seed(ArenaPlan& plan, int node, int time);
  void plan_mask(ArenaPlan& plan, int node, int time);
  void plan_identity(ArenaPlan& plan, int from, int to, bool may_take, int time, int64_t channel = 0);
  void start_gradient(ArenaPlan& plan, int node, int time);
  int backward_time(int step) const { return 2 * static_cast<int>(network_->steps().size()) - 1 - step; }

  std::vector<int> operands(const Step& step) const;
  template <typename Call>
  void for_each_part(const Step& step, const Call& call) const;
  int64_t bytes_of(int node) const { return shapes_[node].count() * size_of(network_->dtype()); }
  const char* name_of(const Step& step) const;
  void run_forward(int step);
  void run_concat(const Step& step);
  void run_backward(const Action& action, const Seed& seed);
  Conv2dParams conv2d_params(const Step& step, Conv2dDirection direction) const;
  Tensor tensor(const Place& place, int node) const;
  Tensor value(int node) const { return node == 0 ? input_ : tensor(values_[node], node); }
  Tensor gradient(int node) const { return tensor(gradients_[node], node); }

  const PreparedNetwork* network_;
  std::vector<int> taps_;
  std::vector<Shape> shapes_;      // per node
  std::vector<int> tap_index_;     // per node: index into taps_, or -1
  std::vector<int> first_reader_;  // per node: the first step that reads it, or -1
  std::vector<Part> parts_;        // per node
  const Arena* arena_ = nullptr;
  Tensor input_, pixel_gradient_;

  // By node; arena pieces, -1 where there is none. A mask belongs to the node it is the sign of, positions to
  // the pool's node.
  std::vector<Place> values_, gradients_;
  std::vector<int> masks_, positions_;
  int workspace_ = -1;
  std::vector<Action> actions_;        // of backward(), in order
  std::vector<bool> seeded_, masked_;  // while planning
};

}  // namespace swag
