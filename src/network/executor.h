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
#include "src/network/schedule.h"

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

  Shape shape(int node) const { return schedule_.shapes[node]; }

 private:
  const char* name_of(const Step& step) const;
  void run_forward(int step);
  void run_concat(const Step& step);
  void run_backward(const Action& action, const Seed& seed);
  Tensor tensor(const Place& place, int node, DType dtype) const;
  Tensor value(int node) const;
  Tensor gradient(int node) const {
    return tensor(schedule_.gradients[node], node, network_->gradient_dtype(node));
  }

  const PreparedNetwork* network_;
  Schedule schedule_;
  const Arena* arena_ = nullptr;
  Tensor input_, pixel_gradient_;
};

}  // namespace swag
