#include "src/weights/fit_memory.h"

#include <algorithm>

#include "src/support/error.h"
#include "src/support/host_memory.h"
#include "src/weights/whitening.h"

namespace swag {
namespace {

constexpr int64_t kOwn = 48 << 20;  // LAPACK's code and buffers, sums of the covariance, whatever is small

int64_t pixels_of(const std::vector<Size>& sizes) {
  int64_t pixels = 0;
  for (const Size& size : sizes) pixels += int64_t{size.h} * size.w;
  return pixels;
}

/// Of one convolution's fit, its maps included.
int64_t layer_bytes(const Conv2dLayer& layer, int64_t pixels, int64_t most_patches) {
  const int64_t window = int64_t{layer.kh} * layer.kw * layer.c_in;
  const int64_t patches = std::max<int64_t>(std::min(most_patches, pixels), layer.c_out);
  const int64_t rank = std::min<int64_t>(window, WhiteningOptions().max_rank);
  const int64_t in = pixels * layer.c_in, out = pixels * layer.c_out;
  const int64_t sampling = 2 * in + patches * window;  // the maps on the host as well
  const int64_t projecting = in + 2 * patches * window + 2 * patches * rank;
  const int64_t convolving = in + out + 4 * window * layer.c_out;
  return std::max({sampling, projecting, convolving}) * int64_t{sizeof(float)};
}

}  // namespace

int64_t fit_bytes(const Graph& graph, const std::vector<Size>& images, const FitOptions& options) {
  std::vector<Size> sizes;
  for (const Size& image : images) {
    SizeRule rule;
    rule.longest = std::min(std::max(image.h, image.w), options.max_size);
    sizes.push_back(target_size(rule, image.h, image.w));
  }
  int64_t most = 0, weights = 0;
  int stage = 0;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::kConv2d) {
      weights += node.conv.weight_count() * int64_t{sizeof(float)};
      most = std::max(most, weights + layer_bytes(node.conv, pixels_of(sizes), fit_patches(stage)));
    } else if (node.op == Op::kMaxPool || node.op == Op::kAvgPool) {
      ++stage;
      for (Size& size : sizes) size = {size.h / 2, size.w / 2};
    }
  }
  return kOwn + most;
}

void check_fit_memory(const Backend& backend, const Graph& graph, const std::vector<Image>& images,
                      const FitOptions& options) {
  std::vector<Size> sizes;
  for (const Image& image : images) sizes.push_back({image.h, image.w});
  const int64_t need = fit_bytes(graph, sizes, options), available = backend.available_bytes();
  if (need <= available) return;
  throw Error(Status::kMemory, "fitting weights to the images needs " + mebibytes(need) + " MiB, " +
                                   std::to_string(available >> 20) +
                                   " MiB are free; use a smaller --size, or weights from a file");
}

}  // namespace swag
