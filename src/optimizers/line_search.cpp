#include "src/optimizers/line_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace swag {

bool LineSearch::Point::finite() const { return std::isfinite(loss) && std::isfinite(slope); }

void LineSearch::start(double loss, double slope, double step, double min_width) {
  origin_ = low_ = high_ = {0, loss, slope};
  bracketed_ = insufficient_progress_ = told_is_best_ = false;
  step_ = step;
  min_width_ = min_width;
  evaluations_ = 0;
  state_ = State::kSearching;
}

LineSearch::State LineSearch::tell(double loss, double slope) {
  const Point told{step_, loss, slope};
  ++evaluations_;
  told_is_best_ = false;
  if (bracketed_) {
    zoom(told);
  } else {
    widen(told);
  }
  if (state_ == State::kSearching) {
    if (evaluations_ >= options_.max_evaluations) {
      finish();
    } else if (bracketed_) {
      try_inside();
    }
  }
  return state_;
}

bool LineSearch::decreases(const Point& point) const {
  return point.finite() && point.loss <= origin_.loss + options_.c1 * point.step * origin_.slope;
}

bool LineSearch::curved(const Point& point) const {
  return std::abs(point.slope) <= -options_.c2 * origin_.slope;
}

/// Algorithm 3.5: longer steps until one is good or a minimum lies between the last two.
void LineSearch::widen(const Point& told) {
  // Nocedal & Wright compare with the last point from the second evaluation on, torch from the third.
  if (!decreases(told) || (evaluations_ > 2 && told.loss >= low_.loss)) {
    bracket(told);
    return;
  }
  if (!curved(told) && told.slope >= 0) {
    bracket(told);
    return;
  }
  const Point previous = std::exchange(low_, told);
  told_is_best_ = true;
  if (curved(told)) {
    finish();
    return;
  }
  const double least = told.step + 0.01 * (told.step - previous.step), greatest = told.step * 10;
  step_ = cubic_minimum(previous, told, least, greatest);
}

/// A minimum lies between the best point and the told one. torch takes any lower loss as the best point, even
/// without enough decrease, and then may reject all that follow; here, as in Nocedal & Wright, it must have
/// both.
void LineSearch::bracket(const Point& told) {
  bracketed_ = true;
  high_ = told;
  if (decreases(told) && told.loss < low_.loss) {
    std::swap(low_, high_);
    told_is_best_ = true;
  }
}

/// Algorithm 3.6: the told point replaces one end of the bracket.
void LineSearch::zoom(const Point& told) {
  if (!decreases(told) || told.loss >= low_.loss) {
    bracket(told);
    return;
  }
  if (told.slope * (high_.step - low_.step) >= 0) high_ = low_;
  low_ = told;
  told_is_best_ = true;
  if (curved(told)) finish();
}

/// The next trial inside the bracket, kept away from its ends when it comes close to one twice.
void LineSearch::try_inside() {
  const double left = std::min(low_.step, high_.step), right = std::max(low_.step, high_.step);
  const double width = right - left;
  if (width < min_width_ || width == 0) {
    finish();
    return;
  }
  if (!high_.finite()) {
    // Nothing to interpolate. Until some step was good, orders of magnitude matter more than fractions.
    step_ = low_.step + (low_.step > 0 ? 0.5 : 0.1) * (high_.step - low_.step);
    return;
  }
  step_ = cubic_minimum(low_, high_, left, right);
  const double margin = 0.1 * width;
  if (std::min(right - step_, step_ - left) >= margin) {
    insufficient_progress_ = false;
  } else if (insufficient_progress_ || step_ >= right || step_ <= left) {
    step_ = right - step_ < step_ - left ? right - margin : left + margin;
    insufficient_progress_ = false;
  } else {
    insufficient_progress_ = true;
  }
}

void LineSearch::finish() {
  step_ = low_.step;
  state_ = low_.step > 0 ? State::kDone : State::kFailed;
}

/// The minimum of the cubic through two points and their slopes, within [least, greatest]; the middle if it
/// has none.
double LineSearch::cubic_minimum(const Point& a, const Point& b, double least, double greatest) {
  const Point& left = a.step <= b.step ? a : b;
  const Point& right = a.step <= b.step ? b : a;
  const double d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.step - right.step);
  const double square = d1 * d1 - left.slope * right.slope;
  const double middle = (least + greatest) / 2;
  if (!(square >= 0)) return middle;
  const double d2 = std::sqrt(square);
  const double minimum =
      right.step - (right.step - left.step) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
  return std::isnan(minimum) ? middle : std::clamp(minimum, least, greatest);
}

}  // namespace swag
