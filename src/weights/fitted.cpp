#include "src/weights/fitted.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "src/image/resize.h"
#include "src/image/transparency.h"
#include "src/network/visible.h"
#include "src/support/error.h"
#include "src/weights/kmeans.h"
#include "src/weights/patches.h"
#include "src/weights/whitening.h"

namespace swag {
namespace {

constexpr int64_t kShallowPatches = 20000, kDeepPatches = 4096;
constexpr int kShallowStages = 2;
constexpr int kRounds = 8;
constexpr int64_t kStripPixels = 1024;      // of a map that are on the host at a time
constexpr double kDeviationFloor = 1e-5;    // added to a channel's deviation
constexpr double kBatchNormEpsilon = 1e-5;  // torchvision's

/// The convolution of a layer, in the kernels' order.
struct Filters {
  std::vector<float> weight;  // (c_out, kh, kw, c_in)
  std::vector<float> bias;    // (c_out)
};

/// y = x * scale + shift for every channel.
struct ScaleShift {
  std::vector<float> scale, shift;
};

int64_t bytes_of(const std::vector<float>& values) {
  return static_cast<int64_t>(values.size() * sizeof(float));
}

/// What an image has become on the walk through the network.
struct Walker {
  OwnedTensor map;
  std::vector<float> alpha;  // of the image, empty: opaque
  Shape picture;             // of the image

  /// Those that see something of the image; empty: all.
  std::vector<int32_t> positions() const {
    if (alpha.empty()) return {};
    return visible_positions(alpha, picture, map.tensor.shape);
  }
};

HostMap downloaded(Backend& backend, const OwnedTensor& map, std::vector<int32_t> positions) {
  HostMap host{map.tensor.shape, std::vector<float>(static_cast<size_t>(map.tensor.count())),
               std::move(positions)};
  backend.download(host.values.data(), map.buffer.data(), map.buffer.bytes());
  return host;
}

// ---------------------------------------------------------------- filters

/// The rows with the largest norms, scaled to length 1, in order of falling norm. Rows of norm 0 have no
/// direction and stay 0.
std::vector<float> strongest_directions(const std::vector<float>& rows,  // (n, d)
                                        int64_t n, int d, int64_t kept) {
  std::vector<double> norm(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const float* row = rows.data() + i * d;
    norm[i] = std::sqrt(std::inner_product(row, row + d, row, 0.0));
  }
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return norm[a] > norm[b]; });

  std::vector<float> directions(static_cast<size_t>(kept) * d);
  for (int64_t i = 0; i < kept; ++i) {
    const double factor = norm[order[i]] > 0 ? 1 / norm[order[i]] : 0;
    const float* row = rows.data() + order[i] * d;
    std::transform(row, row + d, directions.data() + i * d,
                   [factor](float value) { return static_cast<float>(value * factor); });
  }
  return directions;
}

/// Filters for patches of the layer's input; none where all patches are equal.
Filters cluster_filters(Backend& backend, std::vector<float> patches, const Conv2dLayer& layer,
                        uint64_t seed) {
  const int d = layer.kh * layer.kw * layer.c_in;
  const int64_t n = static_cast<int64_t>(patches.size()) / d;
  const Whitening whitening = whiten(backend, std::move(patches), n, d, seed);
  Filters filters;
  if (whitening.rank == 0) return filters;

  // Flat patches, the half with the smaller norms, say nothing. But there must be one for every filter.
  const int64_t kept = std::max<int64_t>(n / 2, layer.c_out);
  const std::vector<float> points = strongest_directions(whitening.whitened, n, whitening.rank, kept);
  const Matrix centroids(backend, layer.c_out, whitening.rank,
                         spherical_kmeans(backend, points, kept, whitening.rank, layer.c_out, kRounds, seed));
  const Matrix transform(backend, d, whitening.rank, whitening.transform);
  filters.weight = transposed(multiply_transposed(backend, transform, centroids).values(), d, layer.c_out);
  for (int o = 0; o < layer.c_out; ++o) {
    const float* filter = filters.weight.data() + int64_t{o} * d;
    filters.bias.push_back(
        static_cast<float>(-std::inner_product(filter, filter + d, whitening.mean.begin(), 0.0)));
  }
  return filters;
}

/// Between the kernels' order and torchvision's, (c_out, c_in, kh, kw).
std::vector<float> to_torchvision(const std::vector<float>& weight, const Conv2dLayer& layer) {
  const int window = layer.kh * layer.kw;
  std::vector<float> result;
  result.reserve(weight.size());
  for (int o = 0; o < layer.c_out; ++o) {
    const std::vector<float> filter(weight.begin() + int64_t{o} * window * layer.c_in,
                                    weight.begin() + int64_t{o + 1} * window * layer.c_in);
    const std::vector<float> turned = transposed(filter, window, layer.c_in);
    result.insert(result.end(), turned.begin(), turned.end());
  }
  return result;
}
std::vector<float> from_torchvision(const std::vector<float>& weight, const Conv2dLayer& layer) {
  Conv2dLayer swapped = layer;  // the same turn with window and channels in each other's place
  swapped.c_in = layer.kh * layer.kw;
  swapped.kh = layer.c_in;
  swapped.kw = 1;
  return to_torchvision(weight, swapped);
}

/// Adds up x - origin and its square for every channel.
void add_moments(double* __restrict sum, double* __restrict square, const float* __restrict x,
                 const float* __restrict origin, int64_t pixels, int c) {
  for (int64_t i = 0; i < pixels; ++i) {
    for (int k = 0; k < c; ++k) {
      const double value = double{x[i * c + k]} - origin[k];
      sum[k] += value;
      square[k] += value * value;
    }
  }
}

/// What gives every channel mean 0 and deviation 1 over all maps together; flat ones only mean 0.
ScaleShift standardising(Backend& backend, const std::vector<Tensor>& maps) {
  const int c = maps[0].shape.c;
  std::vector<double> sum(static_cast<size_t>(c), 0.0), square(sum);
  std::vector<float> origin;  // any typical value: sums of squares around it do not cancel
  std::vector<float> strip(static_cast<size_t>(kStripPixels) * c);
  double count = 0;
  for (const Tensor& map : maps) {
    const int64_t pixels = map.pixels();
    for (int64_t begin = 0; begin < pixels; begin += kStripPixels) {
      const int64_t length = std::min(kStripPixels, pixels - begin);
      backend.download(strip.data(), map.as<float>() + begin * c, length * c * int64_t{sizeof(float)});
      if (origin.empty()) origin.assign(strip.begin(), strip.begin() + c);
      add_moments(sum.data(), square.data(), strip.data(), origin.data(), length, c);
    }
    count += static_cast<double>(pixels);
  }
  ScaleShift result;
  for (int k = 0; k < c; ++k) {
    const double mean = sum[k] / count;
    const double deviation = std::sqrt(std::max(square[k] / count - mean * mean, 0.0));
    // What does not vary, in a map of one pixel for example, must not be blown up for the images to come.
    const double scale = deviation > kDeviationFloor ? 1 / (deviation + kDeviationFloor) : 1;
    result.scale.push_back(static_cast<float>(scale));
    result.shift.push_back(static_cast<float>(-(mean + origin[k]) * scale));
  }
  return result;
}

/// A batch norm that changes nothing.
void set_identity(Weights& weights, const Node& norm) {
  const auto fill = [&](const char* name, double value) {
    weights.values[norm.parameters + name].assign(static_cast<size_t>(norm.channels),
                                                  static_cast<float>(value));
  };
  fill(".weight", std::sqrt(1 + kBatchNormEpsilon));
  fill(".bias", 0);
  fill(".running_mean", 0);
  fill(".running_var", 1);
}

// ---------------------------------------------------------------- the walk through the network

class Fitter {
 public:
  Fitter(Backend& backend, const Graph& graph, const FitOptions& options, Weights& weights)
      : backend_(backend), graph_(graph), options_(options), weights_(weights) {}

  void add_image(const Image& image);
  /// Every convolution up to and including node `last`, as far as the images reach.
  void fit(int last);
  /// Batch norms, and random values for what is left.
  void complete();

 private:
  void fit_conv2d(const Node& node, int64_t most_patches);
  void convolve(const Node& node, const Filters& filters);
  ScaleShift standardise();
  void apply_relu();
  void apply_pool(const Node& node);
  const Weights& random();

  Backend& backend_;
  const Graph& graph_;
  const FitOptions& options_;
  Weights& weights_;
  std::vector<Walker> walkers_;  // one per image, as deep as the walk has come
  Weights random_;               // made when first needed: it takes a while
};

void Fitter::add_image(const Image& image) {
  Image changed;
  if (std::max(image.h, image.w) > options_.max_size) {
    SizeRule rule;
    rule.longest = options_.max_size;
    const Size size = target_size(rule, image.h, image.w);
    changed = resize(image, size.h, size.w);
  } else if (!image.alpha.empty()) {
    changed = with_invisible_filled(image);
  }
  const Image& used = changed.rgb.empty() ? image : changed;
  static const double kMean[] = {0.485, 0.456, 0.406}, kDeviation[] = {0.229, 0.224, 0.225};  // ImageNet's
  std::vector<float> pixels(used.rgb.size());
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<float>((used.rgb[i] - kMean[i % 3]) / kDeviation[i % 3]);
  }
  const Shape picture{used.h, used.w, 3};
  walkers_.push_back({OwnedTensor(backend_, DType::kFloat32, picture), used.alpha, picture});
  backend_.upload(walkers_.back().map.buffer.data(), pixels.data(), bytes_of(pixels));
}

void Fitter::fit(int last) {
  const auto is_conv2d = [](const Node& node) { return node.op == Op::kConv2d; };
  const auto begin = graph_.nodes.begin(), end = begin + last + 1;
  const double layers = static_cast<double>(std::count_if(begin, end, is_conv2d));
  int stage = 0, done = 0;
  for (auto node = begin; node != end && !walkers_.empty(); ++node) {
    if (node->op == Op::kConv2d) {
      fit_conv2d(*node, fit_patches(stage));
      if (options_.progress && !options_.progress(++done / layers)) {
        throw Error(Status::kInterrupted, "interrupted while fitting weights to the images");
      }
    } else if (node->op == Op::kRelu) {
      apply_relu();
    } else if (node->op == Op::kMaxPool || node->op == Op::kAvgPool) {
      apply_pool(*node);
      ++stage;
    }  // batch norms are identities
  }
}

void Fitter::fit_conv2d(const Node& node, int64_t most_patches) {
  const Conv2dLayer& layer = node.conv;
  const uint64_t seed = options_.seed * 1000 + static_cast<uint64_t>(&node - graph_.nodes.data());
  std::vector<HostMap> host;
  for (const Walker& walker : walkers_) {
    host.push_back(downloaded(backend_, walker.map, walker.positions()));
  }
  std::vector<float> patches = sample_patches(host, layer, most_patches, layer.c_out, seed);
  host = {};  // before the copies that the whitening makes
  Filters filters = cluster_filters(backend_, std::move(patches), layer, seed);
  if (filters.weight.empty()) {  // flat images have no patches to learn from
    filters.weight = from_torchvision(random().at(node.parameters + ".weight"), layer);
    filters.bias.assign(static_cast<size_t>(layer.c_out), 0.f);
  }

  convolve(node, filters);
  const ScaleShift standard = standardise();
  const int64_t d = static_cast<int64_t>(filters.weight.size()) / layer.c_out;
  for (int o = 0; o < layer.c_out; ++o) {
    float* filter = filters.weight.data() + o * d;
    std::transform(filter, filter + d, filter, [&](float value) { return value * standard.scale[o]; });
    filters.bias[o] = filters.bias[o] * standard.scale[o] + standard.shift[o];
  }
  weights_.values[node.parameters + ".weight"] = to_torchvision(filters.weight, layer);
  weights_.values[node.parameters + ".bias"] = filters.bias;
}

void Fitter::convolve(const Node& node, const Filters& filters) {
  constexpr Conv2dDirection kForward = Conv2dDirection::kForward;
  constexpr DType kFloat = DType::kFloat32;
  Conv2dParams params;
  params.layer = node.conv;
  params.algorithm = conv2d_algorithm(backend_, options_.conv, node.conv, kForward, kFloat);
  const Buffer weight = uploaded(backend_, filters.weight), bias = uploaded(backend_, filters.bias);
  Buffer packed(backend_, backend_.conv2d_packed_bytes(node.conv, params.algorithm, kForward, kFloat));
  backend_.conv2d_pack(packed.data(), weight.data(), node.conv, params.algorithm, kForward, kFloat, 1);
  ForwardEpilogue epilogue;
  epilogue.bias = bias.data();
  for (Walker& walker : walkers_) {
    OwnedTensor& map = walker.map;
    params.h = map.tensor.shape.h;
    params.w = map.tensor.shape.w;
    params.x_pitch = node.conv.c_in;
    params.y_pitch = node.conv.c_out;
    OwnedTensor y(backend_, kFloat, Shape{params.h_out(), params.w_out(), node.conv.c_out});
    Buffer workspace(backend_, backend_.conv2d_workspace_bytes(params, kForward, kFloat));
    backend_.conv2d_forward(y.tensor, map.tensor, packed.data(), epilogue, params, workspace.data());
    map = std::move(y);
  }
}

/// Of what can be seen, at all positions.
ScaleShift Fitter::standardise() {
  std::vector<OwnedTensor> gathered;
  std::vector<Tensor> seen;
  for (const Walker& walker : walkers_) {
    const Tensor& map = walker.map.tensor;
    const std::vector<int32_t> positions = walker.positions();
    seen.push_back(map);
    if (positions.empty()) continue;
    const Buffer where = uploaded(backend_, positions);
    gathered.emplace_back(backend_, map.dtype, Shape{1, static_cast<int>(positions.size()), map.shape.c});
    backend_.gather_positions(gathered.back().tensor, map, static_cast<const int32_t*>(where.data()));
    seen.back() = gathered.back().tensor;
  }
  const ScaleShift standard = standardising(backend_, seen);
  const Buffer scale = uploaded(backend_, standard.scale), shift = uploaded(backend_, standard.shift);
  for (const Walker& walker : walkers_) {
    const Tensor& map = walker.map.tensor;
    backend_.batch_norm_forward(map, map, scale.data(), shift.data());
  }
  return standard;
}

void Fitter::apply_relu() {
  for (const Walker& walker : walkers_) {
    backend_.relu_forward(walker.map.tensor, nullptr, walker.map.tensor);
  }
}

void Fitter::apply_pool(const Node& node) {
  std::vector<Walker> pooled;
  for (Walker& walker : walkers_) {
    const OwnedTensor& map = walker.map;
    const Pool2dParams params = pool_params(node, map.tensor.shape);
    if (params.h < params.kh || params.w < params.kw) continue;  // this image ends here
    OwnedTensor y(backend_, DType::kFloat32, Shape{params.h_out(), params.w_out(), params.c});
    if (options_.average_pooling) {
      backend_.avg_pool2d_forward(y.tensor, map.tensor, params);
    } else {
      backend_.max_pool2d_forward(y.tensor, nullptr, map.tensor, params);
    }
    pooled.push_back({std::move(y), std::move(walker.alpha), walker.picture});
  }
  walkers_ = std::move(pooled);
}

void Fitter::complete() {
  for (const Node& node : graph_.nodes) {
    if (node.op == Op::kBatchNorm) set_identity(weights_, node);
  }
  for (const StateEntry& entry : graph_.state) {
    if (entry.used && weights_.values.count(entry.name) == 0) {
      weights_.values[entry.name] = random().at(entry.name);
    }
  }
}

const Weights& Fitter::random() {
  if (random_.values.empty()) random_ = random_weights(graph_, options_.seed);
  return random_;
}

}  // namespace

int64_t fit_patches(int stage) { return stage < kShallowStages ? kShallowPatches : kDeepPatches; }

Weights fit_weights(Backend& backend, const Graph& graph, const std::vector<Image>& images,
                    const FitOptions& options) {
  if (!is_vgg(graph.network)) {
    throw Error(Status::kUsage, "weights can be fitted to networks of the VGG family only, not to " +
                                    graph.network + "; use random weights or a weight file");
  }
  if (images.empty()) throw Error(Status::kImage, "no images to fit the weights of " + graph.network + " to");
  Weights weights;
  weights.network = graph.network;
  const std::string seed = std::to_string(options.seed), count = std::to_string(images.size());
  weights.source =
      "fitted to " + count + (images.size() == 1 ? " image" : " images") + " (seed " + seed + ")";
  weights.metadata = {{"network", graph.network},
                      {"method", "fitted"},
                      {"seed", seed},
                      {"pooling", options.average_pooling ? "avg" : "max"}};
  Fitter fitter(backend, graph, options, weights);
  for (const Image& image : images) fitter.add_image(image);
  const int all = static_cast<int>(graph.nodes.size()) - 1;
  fitter.fit(options.last_tap.empty() ? all : graph.tap_node(options.last_tap));
  fitter.complete();
  return weights;
}

}  // namespace swag
