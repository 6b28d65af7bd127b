// What an executor does, as data: where every map lies in the arena and from when to when it lives, and the
// calls of the way back, in order. Made once for a size, by make_schedule.
#pragma once
#include <vector>

#include "src/backend/arena.h"
#include "src/network/prepared_network.h"

namespace swag {

/// Where a node's map lies: a piece of the arena, or some of the channels of one.
struct Place {
  int piece = -1;
  int64_t channel = 0, pitch = 0;
};

/// kWindow: of a pool or a padding.
enum class Act { kSeed, kMask, kConv2d, kBatchNorm, kWindow, kAdd, kCopy };

/// One call on the way back; values and gradients are named by node, scratch by arena piece.
struct Action {
  Act act;
  int step = -1;            // whose backward this is
  int to = -1, from = -1;   // nodes whose gradients are written and read
  bool accumulate = false;  // the written gradient already holds something
  bool mask = false;        // kConv2d: apply the ReLU signs of `to` as well
  int scratch = -1;         // kWindow: arena piece for the result that is then added
  int64_t channel = 0;      // kAdd, kCopy: the first of the channels of `from`
};

struct Schedule {
  // By node; arena pieces, -1 where there is none. A mask belongs to the node it is the sign of, positions to
  // the pool's node.
  std::vector<Shape> shapes;
  std::vector<int> tap_index;  // among the taps, or -1
  std::vector<Place> values, gradients;
  std::vector<int> masks, positions;
  std::vector<bool> behind_relu;  // max-pools whose positions say what the ReLU before them would

  int workspace = -1;           // of the convolutions
  std::vector<Action> actions;  // of the way back
};

/// `taps`: nodes whose values are wanted, dense. `with_backward`: their values stay until their gradients
/// have been asked for. `plan` receives all pieces. Throws Error(kImage) where the image does not reach that
/// far.
Schedule make_schedule(const PreparedNetwork& network, int h, int w, const std::vector<int>& taps,
                       bool with_backward, ArenaPlan& plan);

/// The geometry of a convolution's step, dense on both sides.
Conv2dParams conv2d_params(const PreparedNetwork& network, const std::vector<Shape>& shapes, const Step& step,
                           Conv2dDirection direction);

/// The nodes that a step reads.
std::vector<int> operands_of(const PreparedNetwork& network, const Step& step);

/// call(node, channel) for the parts of a concatenation and the first of their channels in it.
template <typename Call>
void for_each_part(const PreparedNetwork& network, const std::vector<Shape>& shapes, const Step& step,
                   const Call& call) {
  int64_t channel = 0;
  for (const int node : operands_of(network, step)) {
    call(node, channel);
    channel += shapes[node].c;
  }
}

}  // namespace swag
