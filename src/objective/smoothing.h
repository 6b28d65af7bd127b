// Smoothing of a tap's map before either loss looks at it: S = smooth(F), its way back, and the temperature
// that gives a wanted entropy. The kernels are those of kernels/softmax.h.
#pragma once
#include <vector>

#include "src/backend/backend.h"
#include "src/objective/options.h"

namespace swag {

/// Smoothing with its temperature settled.
struct TapSmoothing {
  Smoothing mode = Smoothing::kNone;
  double temperature = 1;
};

/// S of the dense map F, written into `memory` of F's size; F itself where nothing is smoothed. The softmax
/// over the layer leaves its `statistics`, in the backend's memory.
Tensor smooth_forward(Backend& backend, const TapSmoothing& smoothing, const Tensor& f, void* memory,
                      SoftmaxStatistics* statistics);

/// The same S once more, from the statistics that smooth_forward has left.
Tensor smooth_again(Backend& backend, const TapSmoothing& smoothing, const Tensor& f, void* memory,
                    SoftmaxStatistics* statistics);

/// From ds, the gradient with respect to S, df, the one with respect to F; in the same memory if they have
/// it. `inner` is <ds, S>, for the softmax over the layer.
void smooth_backward(Backend& backend, const TapSmoothing& smoothing, const Tensor& df, const Tensor& ds,
                     const Tensor& s, const SoftmaxInner& inner);

/// The T at which the mean over the maps of the normalised entropy of softmax(F / T) is `target`; 0 for flat
/// maps.
double find_temperature(Backend& backend, const std::vector<Tensor>& maps, Smoothing mode, double target);

}  // namespace swag
