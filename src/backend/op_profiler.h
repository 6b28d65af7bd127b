// A backend that passes every op on to another one and takes its time (`swag bench ops`).
//
// Ops are timed where they run, in an evaluation: with the caches as the op before leaves them, and on a
// device without waiting in between.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "src/backend/backend.h"

namespace swag {

/// One op at one shape, and what a call must cost at least.
struct OpWork {
  std::string op;     // "conv2d_forward"
  std::string shape;  // "64x64x256 to 64x64x64, 1x1, stride 1x1, pad 0x0"
  double flops = 0;   // a multiply-add counts as two; 0: not what bounds it
  double bytes = 0;   // every operand read once, every result written once

  std::string name() const { return op + ", " + shape; }
};

struct OpTime {
  OpWork work;
  std::vector<double> milliseconds;  // of every call, in order
};

/// Called before and after every op.
using OpObserver = std::function<void(const OpWork& work, bool begins)>;

/// What the profiled backend has run.
class OpLog {
 public:
  OpLog(Backend& inner, OpObserver observer) : inner_(inner), observer_(std::move(observer)) {}

  /// The ops since the last call, by op and shape, in the order of their first calls. Waits for all work.
  std::vector<OpTime> take();

  // For the profiled backend.
  Backend& inner() { return inner_; }
  /// call(), timed and seen by the observer. One that throws is not logged.
  template <typename Call>
  auto run(const OpWork& work, Call&& call) {
    begin(work);
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      end(work);
    } else {
      const auto result = call();
      end(work);
      return result;
    }
  }

 private:
  void begin(const OpWork& work);
  void end(const OpWork& work);

  Backend& inner_;
  OpObserver observer_;
  std::vector<OpWork> ran_;
};

/// Everything that is called of it is done by log.inner(), and written down in `log`. Both must outlive it.
std::unique_ptr<Backend> make_profiled_backend(OpLog& log);

}  // namespace swag
