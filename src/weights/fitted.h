// Weights of a VGG fitted to the images at hand: no training, no labels, no download. Layer by layer the
// filters become the cluster centres of what the layer reads, as in Coates and Ng (2012), scaled so that
// every channel is alive, as in Kraehenbuehl et al. (2016):
//
//   patches    of the layer's input, 20,000 in the first two stages, then at most 4,096, whitened
//   centroids  of the half with the largest norm, by spherical k-means
//   weight     centroids through the whitening, bias the mean's share taken away
//   then       every channel scaled and shifted to mean 0 and variance 1 over all images, ReLU, next layer
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "src/backend/backend.h"
#include "src/image/image.h"
#include "src/network/graph.h"
#include "src/weights/weights.h"

namespace swag {

struct FitOptions {
  uint64_t seed = 0;
  bool average_pooling = true;  // the pooling that the network will run with
  int max_size = 512;           // longest side the images are used at; larger ones are made smaller
  std::string last_tap;         // the deepest tap that will be used; empty: all. Layers below it stay random
  Conv2dAlgorithm conv = Conv2dAlgorithm::kAuto;
  std::function<bool(double fraction)> progress;  // may be empty; after every layer, false cancels
};

/// Patches that a layer is fitted to at most, after so many pools.
int64_t fit_patches(int stage);

/// Fits the convolutions of a VGG, with or without batch norms, to `images`: content and styles, at their
/// working size. Layers that no image is large enough to reach keep random_weights. Batch norms become the
/// identity. The weights are a function of images, options and backend, whatever its number of threads.
/// Throws Error(kUsage) for another network or an unknown tap, Error(kImage) without images,
/// Error(kInterrupted) when cancelled.
Weights fit_weights(Backend& backend, const Graph& graph, const std::vector<Image>& images,
                    const FitOptions& options = {});

}  // namespace swag
