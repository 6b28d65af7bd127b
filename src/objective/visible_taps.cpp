#include "src/objective/visible_taps.h"

#include "src/network/visible.h"

namespace swag {

VisibleTaps::VisibleTaps(Backend& backend, const std::vector<float>& alpha, Shape picture,
                         const std::vector<Shape>& maps)
    : backend_(&backend) {
  if (alpha.empty()) return;
  for (const Shape& map : maps) {
    Tap tap;
    const std::vector<int32_t> positions = visible_positions(alpha, picture, map);
    if (!positions.empty()) {
      tap.positions = uploaded(backend, positions);
      tap.shape = {1, static_cast<int>(positions.size()), map.c};
    }
    taps_.push_back(std::move(tap));
  }
}

Tensor VisibleTaps::gather(int tap, const Tensor& f, void* memory) const {
  if (!hides(tap)) return f;
  const Tensor seen = f.like(memory, taps_[tap].shape);
  backend_->gather_positions(seen, f, positions(tap));
  return seen;
}

void VisibleTaps::scatter(int tap, const Tensor& df, const Tensor& dseen, bool accumulate) const {
  if (!accumulate) backend_->zero(df.data, df.count() * size_of(df.dtype));
  backend_->scatter_positions(df, dseen, positions(tap));
}

}  // namespace swag
