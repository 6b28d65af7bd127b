#include "src/objective/smoothing.h"

#include <cassert>

namespace swag {

Tensor smooth_forward(Backend& backend, const TapSmoothing& smoothing, const Tensor& f, void* memory,
                      SoftmaxStatistics* statistics) {
  assert(f.dense());
  const Tensor s(memory, arithmetic_of(f.dtype), f.shape);
  switch (smoothing.mode) {
    case Smoothing::kNone: return f;
    case Smoothing::kSoftmax:
      backend.softmax_statistics(statistics, f, smoothing.temperature);
      backend.softmax_forward(s, f, statistics, smoothing.temperature);
      break;
    case Smoothing::kChannel: backend.softmax_channel_forward(s, f, smoothing.temperature); break;
    case Smoothing::kScale: backend.scale(s, f, 1 / smoothing.temperature); break;
  }
  return s;
}

Tensor smooth_again(Backend& backend, const TapSmoothing& smoothing, const Tensor& f, void* memory,
                    SoftmaxStatistics* statistics) {
  if (smoothing.mode != Smoothing::kSoftmax) {
    return smooth_forward(backend, smoothing, f, memory, statistics);
  }
  const Tensor s(memory, arithmetic_of(f.dtype), f.shape);
  backend.softmax_forward(s, f, statistics, smoothing.temperature);
  return s;
}

void smooth_backward(Backend& backend, const TapSmoothing& smoothing, const Tensor& df, const Tensor& ds,
                     const Tensor& s, const SoftmaxInner& inner) {
  switch (smoothing.mode) {
    case Smoothing::kNone: break;
    case Smoothing::kSoftmax: backend.softmax_backward(df, ds, s, inner, smoothing.temperature); break;
    case Smoothing::kChannel: backend.softmax_channel_backward(df, ds, s, smoothing.temperature); break;
    case Smoothing::kScale: backend.scale(df, ds, 1 / smoothing.temperature); break;
  }
}

}  // namespace swag
