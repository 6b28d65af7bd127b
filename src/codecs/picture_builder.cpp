#include "src/codecs/picture_builder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

namespace swag {
namespace {

constexpr int kKeptPerWanted = 4;  // pixels kept for each that is wanted, along a side

/// Weighted sums of the pixels of one row in [begin, end), in units of which a pixel has `pixel`: r, g, b
/// times alpha, alpha.
template <typename Sample>
void sum_cell(const Sample* samples, const SampleLayout& layout, int64_t begin, int64_t end, int64_t pixel,
              double* sums) {
  const int n = layout.channels, colours = layout.colours();
  const int64_t first = begin / pixel, last = (end - 1) / pixel;
  const auto weight = [&](int64_t q) {
    return static_cast<double>(std::min(end, (q + 1) * pixel) - std::max(begin, q * pixel));
  };
  if (layout.has_alpha()) {
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int64_t q = first; q <= last; ++q) {
      const Sample* p = samples + q * n;
      const double alpha = weight(q) * p[colours];
      for (int c = 0; c < 3; ++c) sums[c] += alpha * p[colours == 3 ? c : 0];
      sums[3] += alpha;
    }
    return;
  }
  for (int c = 0; c < colours; ++c) {
    uint64_t inner = 0;  // all but the two pixels at the ends have the same weight
    for (int64_t q = first + 1; q < last; ++q) inner += samples[q * n + c];
    sums[c] =
        static_cast<double>(inner) * static_cast<double>(pixel) + weight(first) * samples[first * n + c];
    if (last > first) sums[c] += weight(last) * samples[last * n + c];
  }
  for (int c = colours; c < 3; ++c) sums[c] = sums[0];
}

}  // namespace

Size kept_size(const SizeRule& wanted, int h, int w) {
  const Size target = target_size(wanted, h, w);
  const double shrink =
      std::min(static_cast<double>(h) / target.h, static_cast<double>(w) / target.w) / kKeptPerWanted;
  if (shrink <= 2) return {h, w};
  if (wanted.w == 0) return {kKeptPerWanted * target.h, kKeptPerWanted * target.w};
  // Of another shape: the picture's own is kept.
  return {static_cast<int>(std::lround(h / shrink)), static_cast<int>(std::lround(w / shrink))};
}

ColourProfile embedded_profile(const PictureFile& file, const void* icc, size_t size) {
  ColourProfile profile =
      icc != nullptr && size <= kMostProfileBytes ? ColourProfile::from_icc(icc, size) : ColourProfile();
  if (!profile) file.note("its colour profile is damaged or incomplete; sRGB is assumed");
  return profile;
}

PictureBuilder::PictureBuilder(const PictureFile& file, const Source& source, const ColourProfile& profile)
    : source_(source) {
  const bool exchanged = source.orientation >= 5;
  kept_ = exchanged ? kept_size(file.wanted, source.w, source.h) : kept_size(file.wanted, source.h, source.w);
  image_.h = kept_.h;
  image_.w = kept_.w;
  if (exchanged) std::swap(kept_.h, kept_.w);
  const int64_t pixels = int64_t{kept_.h} * kept_.w, floats = source.layout.has_alpha() ? 4 : 3;
  file.check_memory(source.h, source.w,
                    pixels * floats * static_cast<int64_t>(sizeof(float)) + source.decoder_bytes);
  bool usable = true;
  transform_ = ColourTransform::to_srgb(profile, source.layout, usable);
  if (!usable) file.note("its colour profile is damaged or of another kind than its pixels; sRGB is assumed");
  if (transform_) converted_.resize(static_cast<size_t>(source.w) * (source.layout.has_alpha() ? 4 : 3));
  if (source.layout.cmyk && !transform_) mixed_.resize(static_cast<size_t>(source.w) * 3);
  if (kept_.h != source.h || kept_.w != source.w) {
    line_.resize(static_cast<size_t>(kept_.w) * 4);
    sums_.resize(line_.size());
  }
  image_.rgb.resize(static_cast<size_t>(pixels) * 3);
}

void PictureBuilder::add_row(const void* samples) {
  assert(row_ < source_.h);
  SampleLayout layout = source_.layout;
  int white = source_.white;
  if (transform_) {
    white = 0;
    transform_->apply(samples, converted_.data(), source_.w);
    layout = {layout.has_alpha() ? 4 : 3, 2};
    samples = converted_.data();
  } else if (layout.cmyk) {
    mix_inks(static_cast<const uint8_t*>(samples));
    layout = {3, 1};
    samples = mixed_.data();
  }
  if (layout.bytes == 1) {
    take(static_cast<const uint8_t*>(samples), layout, white);
  } else {
    take(static_cast<const uint16_t*>(samples), layout, white);
  }
  ++row_;
}

Image PictureBuilder::finish() {
  assert(row_ == source_.h);
  return std::move(image_);
}

template <typename Sample>
void PictureBuilder::take(const Sample* samples, const SampleLayout& layout, int white) {
  if (white == 0) white = std::numeric_limits<Sample>::max();
  if (sums_.empty()) {
    place(samples, layout, static_cast<float>(white));
  } else {
    sum_row(samples, layout);
    accumulate(white, layout.has_alpha());
  }
}

template <typename Sample>
void PictureBuilder::place(const Sample* samples, const SampleLayout& layout, float white) {
  const int64_t first = position(row_, 0), step = position(row_, 1) - first;
  const int colours = layout.colours();
  float* rgb = image_.rgb.data();
  for (int64_t col = 0; col < source_.w; ++col) {
    const Sample* p = samples + col * layout.channels;
    float* to = rgb + (first + col * step) * 3;
    for (int c = 0; c < 3; ++c) to[c] = p[colours == 3 ? c : 0] / white;
    if (layout.has_alpha()) set_alpha(first + col * step, p[colours] / white);
  }
}

// Areas are counted in units of which a pixel of the source has kept h * kept w, and one of the kept h * w of
// the source: all borders are whole numbers.
template <typename Sample>
void PictureBuilder::sum_row(const Sample* samples, const SampleLayout& layout) {
  for (int64_t col = 0; col < kept_.w; ++col) {
    sum_cell(samples, layout, col * source_.w, (col + 1) * source_.w, kept_.w,
             &line_[static_cast<size_t>(col) * 4]);
  }
}

/// Adds the row's sums to the kept row that it belongs to, or to the two that it lies across.
void PictureBuilder::accumulate(double white, bool has_alpha) {
  int64_t begin = int64_t{row_} * kept_.h;
  const int64_t end = begin + kept_.h;
  while (begin < end) {
    const int64_t border = int64_t{kept_row_ + 1} * source_.h, until = std::min(border, end);
    const auto weight = static_cast<double>(until - begin);
    for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += weight * line_[i];
    if (until == border) place_sums(white, has_alpha);
    begin = until;
  }
}

void PictureBuilder::place_sums(double white, bool has_alpha) {
  const double area = static_cast<double>(source_.h) * source_.w;
  for (int col = 0; col < kept_.w; ++col) {
    const double* sums = &sums_[static_cast<size_t>(col) * 4];
    const int64_t at = position(kept_row_, col);
    const double whole = (has_alpha ? sums[3] : area) * white;
    for (int64_t c = 0; c < 3; ++c)
      image_.rgb[at * 3 + c] = whole > 0 ? static_cast<float>(sums[c] / whole) : 1;
    if (has_alpha) set_alpha(at, static_cast<float>(sums[3] / (area * white)));
  }
  std::fill(sums_.begin(), sums_.end(), 0.0);
  ++kept_row_;
}

/// Most pictures with an alpha channel are opaque: only the first pixel that is not makes room for it.
void PictureBuilder::set_alpha(int64_t at, float alpha) {
  if (image_.alpha.empty()) {
    if (!(alpha < 1)) return;
    image_.alpha.assign(image_.rgb.size() / 3, 1.0f);
  }
  image_.alpha[at] = alpha;
}

/// Where a kept pixel lies in the picture that is the right way up. 1: 0th row top, 0th column left; 2 top,
/// right; 3 bottom, right; 4 bottom, left; 5 to 8 the same with rows and columns exchanged: left, top; right,
/// top; right, bottom; left, bottom.
int64_t PictureBuilder::position(int row, int col) const {
  const int o = source_.orientation;
  const bool flip_row = o == 3 || o == 4 || o == 7 || o == 8, flip_col = o == 2 || o == 3 || o == 6 || o == 7;
  if (o >= 5) std::swap(row, col);
  if (flip_row) row = image_.h - 1 - row;
  if (flip_col) col = image_.w - 1 - col;
  return int64_t{row} * image_.w + col;
}

/// As browsers do it without a profile: each ink takes its share of the light.
void PictureBuilder::mix_inks(const uint8_t* inks) {
  for (size_t i = 0; i < static_cast<size_t>(source_.w); ++i) {
    for (size_t c = 0; c < 3; ++c) {
      mixed_[i * 3 + c] =
          static_cast<uint8_t>(((255 - inks[i * 4 + c]) * (255 - inks[i * 4 + 3]) + 127) / 255);
    }
  }
}

}  // namespace swag
