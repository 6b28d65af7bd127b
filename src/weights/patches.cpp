#include "src/weights/patches.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace swag {
namespace {

/// Mirrored at the outermost pixels, as often as it takes. torch: pad(mode="reflect").
int reflected(int i, int size) {
  if (size == 1) return 0;
  const int period = 2 * (size - 1);
  i = ((i % period) + period) % period;
  return i < size ? i : period - i;
}

/// `count` different numbers of [0, total), in random order.
std::vector<int64_t> random_positions(int64_t total, int64_t count, std::mt19937_64& random) {
  std::vector<int64_t> positions(static_cast<size_t>(total));
  std::iota(positions.begin(), positions.end(), int64_t{0});
  for (int64_t i = 0; i < count; ++i) {
    std::swap(positions[i], positions[i + static_cast<int64_t>(random() % static_cast<uint64_t>(total - i))]);
  }
  positions.resize(static_cast<size_t>(count));
  return positions;
}

void copy_window(float* patch, const HostMap& map, int64_t position, const Conv2dLayer& layer) {
  const Shape& shape = map.shape;
  const int top = static_cast<int>(position / shape.w) - layer.pad_h;
  const int left = static_cast<int>(position % shape.w) - layer.pad_w;
  for (int i = 0; i < layer.kh; ++i) {
    for (int j = 0; j < layer.kw; ++j, patch += shape.c) {
      const int64_t pixel = int64_t{reflected(top + i, shape.h)} * shape.w + reflected(left + j, shape.w);
      std::copy_n(map.values.data() + pixel * shape.c, shape.c, patch);
    }
  }
}

/// Variant 0 is the window itself; then come its flips, and these shifted by every offset.
void copy_variant(float* to, const float* from, int64_t variant, const Conv2dLayer& layer) {
  const int flip = static_cast<int>(variant % 4);
  const int shift = static_cast<int>(variant / 4 % (layer.kh * layer.kw));
  for (int i = 0; i < layer.kh; ++i) {
    for (int j = 0; j < layer.kw; ++j, to += layer.c_in) {
      const int row = ((flip & 2 ? layer.kh - 1 - i : i) + shift / layer.kw) % layer.kh;
      const int col = ((flip & 1 ? layer.kw - 1 - j : j) + shift % layer.kw) % layer.kw;
      std::copy_n(from + int64_t{row * layer.kw + col} * layer.c_in, layer.c_in, to);
    }
  }
}

}  // namespace

std::vector<float> sample_patches(const std::vector<HostMap>& maps, const Conv2dLayer& layer, int64_t most,
                                  int64_t least, uint64_t seed) {
  const int64_t d = int64_t{layer.kh} * layer.kw * layer.c_in;
  const int64_t share = std::max<int64_t>(1, most / static_cast<int64_t>(maps.size()));
  std::mt19937_64 random(seed);
  std::vector<float> patches;
  for (const HostMap& map : maps) {
    const bool all = map.positions.empty();
    const int64_t total = all ? map.shape.pixels() : static_cast<int64_t>(map.positions.size());
    const int64_t count = std::min(share, total);
    patches.resize(patches.size() + static_cast<size_t>(count * d));
    float* patch = patches.data() + patches.size() - count * d;
    for (int64_t position : random_positions(total, count, random)) {
      copy_window(patch, map, all ? position : map.positions[position], layer);
      patch += d;
    }
  }
  const int64_t drawn = static_cast<int64_t>(patches.size()) / d;
  if (drawn < least) patches.resize(static_cast<size_t>(least * d));
  for (int64_t i = drawn; i < least; ++i) {
    copy_variant(patches.data() + i * d, patches.data() + i % drawn * d, i / drawn, layer);
  }
  return patches;
}

}  // namespace swag
