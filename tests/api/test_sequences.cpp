// Random sequences of calls on a few contexts: every call returns a status that it may return, and a
// context's image can be read whatever came before.
#include <algorithm>
#include <array>

#include "tests/api/api_case.h"

using namespace swag::test;

namespace {

constexpr int kSequences = 2000, kCalls = 8;

/// What the callbacks of a sequence do: stop the run at the n-th call.
struct Stopper {
  int calls_left = -1;  // -1: never
};

int stop(const swag_progress*, void* user) {
  auto* stopper = static_cast<Stopper*>(user);
  return stopper->calls_left >= 0 && stopper->calls_left-- == 0 ? 1 : 0;
}

class Sequence {
 public:
  explicit Sequence(uint64_t seed) : random_(seed) {}
  ~Sequence() {
    for (swag_context* context : contexts_) swag_end(context);
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  void call() {
    const size_t which = below(contexts_.size());
    swag_context*& context = contexts_[which];
    stopper_.calls_left = static_cast<int>(below(4)) - 1;
    switch (below(8)) {
      case 0:
      case 1:
        swag_end(context);
        context = nullptr;
        begin(context);
        break;
      case 2:
        swag_end(context);
        context = nullptr;
        break;
      case 3: read(context); break;
      default: step(context);
    }
  }

 private:
  size_t below(size_t n) { return static_cast<size_t>(random_.bits() % n); }

  void begin(swag_context*& context) {
    swag_options options = small_options();
    options.size = "16";
    options.style_layers = options.content_layers = "relu1_1";
    options.iterations = static_cast<int>(below(3));
    options.scales = static_cast<int>(below(3)) + 1;
    options.optimizer = static_cast<swag_optimizer>(below(3));
    options.smoothing = static_cast<swag_smoothing>(below(4));
    if (below(6) == 0) options.learning_rate = 1e6;
    if (below(6) == 0) options.style_weight = 1e30;
    options.progress = stop;
    options.progress_user = &stopper_;
    const bool wrong = below(8) == 0;
    if (wrong) options.history = -1;
    const swag_status status =
        swag_begin(small_model(), &options, &images_.content.view, &images_.style.view, 1, nullptr, &context);
    CHECK(status == (wrong ? SWAG_USAGE : SWAG_OK));
    CHECK((context == nullptr) == wrong);
  }

  void step(swag_context* context) {
    swag_progress progress = {};
    progress.struct_size = sizeof progress;
    const swag_status status = swag_step(context, below(2) ? &progress : nullptr);
    if (!context) {
      CHECK(status == SWAG_USAGE);
    } else {
      CHECK((status == SWAG_OK || status == SWAG_INTERRUPTED || status == SWAG_DIVERGED));
    }
    if (context && below(2)) read(context);
  }

  void read(swag_context* context) {
    CHECK(swag_get_image(context, &output_.view) == (context ? SWAG_OK : SWAG_USAGE));
    if (below(8) == 0) CHECK(swag_get_image(context, &small_.view) == SWAG_USAGE);
  }

  Random random_;
  Stopper stopper_;
  Images images_;
  Picture output_{16, 13}, small_{15, 13};
  std::array<swag_context*, 3> contexts_ = {};
};

}  // namespace

TEST_CASE("calls in any order return statuses and do no harm") {
  for (uint64_t seed = 0; seed < kSequences; ++seed) {
    CAPTURE(seed);
    Sequence sequence(seed);
    for (int i = 0; i < kCalls; ++i) sequence.call();
  }
}
