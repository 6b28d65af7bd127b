#include "kernels/cpu/elementwise.h"
#include "kernels/mask.h"
#include "kernels/relu.h"

namespace swag::cpu {
namespace {

constexpr int kWordBits = 32;

struct WordBits {
  uint32_t bit[kWordBits];
  constexpr WordBits() : bit() {
    for (int j = 0; j < kWordBits; ++j) bit[j] = 1u << j;
  }
};
// A table instead of a shift: not every vector unit can shift its lanes by different amounts.
constexpr WordBits kWord;

/// Stores up to 32 channels. The common size apart: the call that copies any size reads what was just
/// computed in wider pieces, and waits until all stores before it have reached memory.
template <typename T>
void store_word(T* y, const T* word, int channels) {
  if (channels == kWordBits) {
    std::copy(word, word + kWordBits, y);
  } else {
    std::copy(word, word + channels, y);
  }
}

/// y = max(x, 0) for up to 32 channels, and their sign bits.
template <typename T>
uint32_t relu_word(T* y, const T* x, int channels) {
  T word[kWordBits];  // y may equal x: see store_elements
  uint32_t bits = 0;
  for (int j = 0; j < channels; ++j) word[j] = x[j] < 0 ? T(0) : x[j];
  // A mask of ones instead of a condition: a condition would keep compilers from vectorising.
  for (int j = 0; j < channels; ++j) bits |= kWord.bit[j] & (0u - static_cast<uint32_t>(word[j] > 0));
  store_word(y, word, channels);
  return bits;
}

/// dx = dy where its bit is set, else 0.
template <typename T>
void masked_word(T* dx, const T* dy, uint32_t bits, int channels) {
  T word[kWordBits];
  for (int j = 0; j < channels; ++j) {
    const T value = dy[j];  // read whether needed or not, for the same reason
    word[j] = bits & kWord.bit[j] ? value : T(0);
  }
  store_word(dx, word, channels);
}

}  // namespace

template <typename T>
void relu_forward(T* y, uint32_t* mask, const T* x, const ReluParams& params, Stream stream) {
  const int c = params.c;
  const int64_t words = mask_words(c);
  parallel_ranges(stream, params.pixels, pixel_grain(c), [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      T* y_pixel = y + pixel * params.y_pitch;
      const T* x_pixel = x + pixel * params.x_pitch;
      for (int channel = 0; channel < c; channel += kWordBits) {
        const int channels = std::min(kWordBits, c - channel);
        const uint32_t bits = relu_word(y_pixel + channel, x_pixel + channel, channels);
        if (mask) mask[pixel * words + channel / kWordBits] = bits;
      }
    }
  });
}

template <typename T>
void relu_backward(T* dx, const T* dy, const uint32_t* mask, const ReluParams& params, Stream stream) {
  const int c = params.c;
  const int64_t words = mask_words(c);
  parallel_ranges(stream, params.pixels, pixel_grain(c), [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      T* dx_pixel = dx + pixel * params.x_pitch;
      const T* dy_pixel = dy + pixel * params.y_pitch;
      for (int channel = 0; channel < c; channel += kWordBits) {
        masked_word(dx_pixel + channel, dy_pixel + channel, mask[pixel * words + channel / kWordBits],
                    std::min(kWordBits, c - channel));
      }
    }
  });
}

template void relu_forward(float*, uint32_t*, const float*, const ReluParams&, Stream);
template void relu_forward(double*, uint32_t*, const double*, const ReluParams&, Stream);
template void relu_backward(float*, const float*, const uint32_t*, const ReluParams&, Stream);
template void relu_backward(double*, const double*, const uint32_t*, const ReluParams&, Stream);

}  // namespace swag::cpu
