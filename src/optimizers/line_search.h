// Strong-Wolfe line search on scalars: Nocedal & Wright, Numerical Optimization, algorithms 3.5 and 3.6, with
// cubic interpolation and the safeguards of torch's _strong_wolfe, whose trial steps it repeats.
//
//   decrease   f(t) <= f(0) + c1 * t * f'(0)
//   curvature  |f'(t)| <= -c2 * f'(0)
//
// A point whose loss or slope is not finite is too far: it bounds the search from above and is never
// accepted.
#pragma once

namespace swag {

struct LineSearchOptions {
  double c1 = 1e-4, c2 = 0.9;  // 0 < c1 < c2 < 1
  int max_evaluations = 25;
};

class LineSearch {
 public:
  enum class State {
    kSearching,  // evaluate at step() and tell
    kDone,       // step() is accepted: both conditions hold, or decrease alone and no more can be tried
    kFailed,     // no step with enough decrease was found
  };

  explicit LineSearch(const LineSearchOptions& options = {}) : options_(options) {}

  /// Begins at loss f(0) and slope f'(0) < 0 with the trial `step` > 0. The search ends when its bracket is
  /// narrower than `min_width`.
  void start(double loss, double slope, double step, double min_width);

  State state() const { return state_; }

  /// The trial step, or the accepted one when done, or 0 when failed.
  double step() const { return step_; }

  /// Loss and slope at step().
  State tell(double loss, double slope);

  /// True when the point just told became the best so far: the one the search ends with if nothing better
  /// follows. Only its gradient need be kept.
  bool told_is_best() const { return told_is_best_; }
  double best_loss() const { return low_.loss; }

 private:
  struct Point {
    double step = 0, loss = 0, slope = 0;
    bool finite() const;
  };

  static double cubic_minimum(const Point& a, const Point& b, double least, double greatest);
  bool decreases(const Point& point) const;
  bool curved(const Point& point) const;
  void widen(const Point& told);
  void bracket(const Point& told);
  void zoom(const Point& told);
  void try_inside();
  void finish();

  LineSearchOptions options_;
  State state_ = State::kFailed;
  Point origin_, low_, high_;  // low: the best so far; high: the other end of the bracket
  bool bracketed_ = false;
  bool insufficient_progress_ = false;
  bool told_is_best_ = false;
  double step_ = 0, min_width_ = 0;
  int evaluations_ = 0;
};

}  // namespace swag
