// What the losses see of a picture with alpha: at every tap the positions that see something, gathered into a
// map (1, m, d) of their own. The losses are sums over positions, so to leave some out is all it takes.
#pragma once
#include <vector>

#include "src/backend/backend.h"

namespace swag {

class VisibleTaps {
 public:
  /// Of an opaque picture: every map is seen as it is, and nothing is kept.
  VisibleTaps() = default;
  /// `alpha` row by row, empty: opaque; `maps` are the shapes of the picture's maps at the taps.
  VisibleTaps(Backend& backend, const std::vector<float>& alpha, Shape picture,
              const std::vector<Shape>& maps);

  /// Whether positions of the tap are left out.
  bool hides(int tap) const { return !taps_.empty() && taps_[tap].positions; }
  /// In which shape the losses see the tap's map, whose own is `map`.
  Shape seen(int tap, Shape map) const { return hides(tap) ? taps_[tap].shape : map; }

  /// The positions of the dense map F that are seen, written into `memory`; F itself where all are.
  Tensor gather(int tap, const Tensor& f, void* memory) const;
  /// The way back, of a tap that hides: df = what belongs to each position, 0 at those left out, or df += it.
  void scatter(int tap, const Tensor& df, const Tensor& dseen, bool accumulate) const;

 private:
  struct Tap {
    Buffer positions;  // int32, in the backend's memory; none: all
    Shape shape;       // (1, m, d)
  };
  const int32_t* positions(int tap) const { return static_cast<const int32_t*>(taps_[tap].positions.data()); }

  Backend* backend_ = nullptr;
  std::vector<Tap> taps_;  // empty: opaque
};

}  // namespace swag
