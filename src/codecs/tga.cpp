// After "Truevision TGA File Format Specification, Version 2.0".
#include "src/codecs/tga.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "src/codecs/picture_builder.h"

namespace swag {
namespace {

constexpr size_t kHeader = 18;
using Rgba = std::array<uint16_t, 4>;

class Tga {
 public:
  explicit Tga(const PictureFile& file)
      : file_(file),
        kind_(static_cast<int>(field(2, 1) & ~8u)),
        bits_(static_cast<int>(field(16, 1))),
        w_(static_cast<int>(field(12, 2))),
        h_(static_cast<int>(field(14, 2))),
        run_lengths_((field(2, 1) & 8) != 0) {}
  bool plausible() const;
  Image decode();

 private:
  enum class Alpha { kNone, kStraight, kPremultiplied };
  enum Kind { kIndexed = 1, kColour = 2, kGrey = 3 };

  uint32_t field(size_t at, int bytes) const { return file_.little_endian(at, bytes); }
  bool has_palette() const { return field(1, 1) == 1; }
  int palette_bits() const { return static_cast<int>(field(7, 1)); }
  size_t pixel_bytes() const { return (static_cast<size_t>(bits_) + 7) / 8; }

  Rgba pixel(const uint8_t* in) const;
  void read_palette();
  Alpha alpha_of_extension() const;
  Alpha find_alpha();
  template <typename Take>
  void each_pixel(Take&& take);

  const PictureFile& file_;
  int kind_, bits_, w_, h_;
  bool run_lengths_;
  size_t pixels_ = 0;  // where they are
  std::vector<Rgba> colours_;
  size_t first_colour_ = 0;  // its number
};

bool Tga::plausible() const {
  const auto deep = [](int bits) { return bits == 15 || bits == 16 || bits == 24 || bits == 32; };
  const bool known_bits = kind_ == kColour ? deep(bits_) : bits_ == 8 || bits_ == 16;
  const bool no_palette = field(1, 1) == 0 && field(3, 4) == 0 && kind_ != kIndexed;
  const bool known_palette = has_palette() ? deep(palette_bits()) : no_palette;
  return kind_ >= kIndexed && kind_ <= kGrey && known_bits && known_palette && w_ != 0 && h_ != 0;
}

uint16_t in_16_bits(uint32_t value, uint32_t largest) {
  return static_cast<uint16_t>((value * 65535 + largest / 2) / largest);
}

Rgba colour(const uint8_t* in, int bits) {
  if (bits <= 16) {
    const uint32_t value = in[0] | uint32_t{in[1]} << 8;
    // The highest bit says whether it covers what is below; hardly a writer means that.
    return {in_16_bits(value >> 10 & 31, 31), in_16_bits(value >> 5 & 31, 31), in_16_bits(value & 31, 31),
            65535};
  }
  return {in_16_bits(in[2], 255), in_16_bits(in[1], 255), in_16_bits(in[0], 255),
          bits == 32 ? in_16_bits(in[3], 255) : uint16_t{65535}};
}

/// A number that the palette does not have is black.
Rgba Tga::pixel(const uint8_t* in) const {
  if (kind_ == kColour) return colour(in, bits_);
  if (kind_ == kGrey) {
    const uint16_t grey = in_16_bits(in[0], 255);
    return {grey, grey, grey, bits_ == 16 ? in_16_bits(in[1], 255) : uint16_t{65535}};
  }
  const size_t index = (bits_ == 16 ? in[0] | size_t{in[1]} << 8 : in[0]) - first_colour_;
  return index < colours_.size() ? colours_[index] : Rgba{0, 0, 0, 65535};
}

/// There may be one beside pixels that have no use for it.
void Tga::read_palette() {
  const size_t at = kHeader + field(0, 1), bytes = (static_cast<size_t>(palette_bits()) + 7) / 8,
               count = has_palette() ? field(5, 2) : 0;
  pixels_ = at + count * bytes;
  if (pixels_ > file_.size) file_.fail_truncated();
  if (kind_ != kIndexed) return;
  first_colour_ = field(3, 2);
  for (size_t i = 0; i < count; ++i) colours_.push_back(colour(file_.data + at + i * bytes, palette_bits()));
}

/// What the extension area says of the fourth channel, where the file ends with a footer that points at one.
Tga::Alpha Tga::alpha_of_extension() const {
  using namespace std::string_view_literals;
  constexpr auto kSignature = "TRUEVISION-XFILE.\0"sv;
  constexpr size_t kFooter = 26, kAlphaAt = 494;
  if (file_.size < kHeader + kFooter) return Alpha::kStraight;
  const size_t footer = file_.size - kFooter;
  if (std::memcmp(file_.data + footer + 8, kSignature.data(), kSignature.size()) != 0)
    return Alpha::kStraight;
  const size_t extension = field(footer, 4);
  if (extension == 0 || extension + kAlphaAt >= footer) return Alpha::kStraight;
  const uint8_t attributes = file_.data[extension + kAlphaAt];
  if (attributes <= 2) return Alpha::kNone;  // no alpha, or nothing that was meant as one
  return attributes == 4 ? Alpha::kPremultiplied : Alpha::kStraight;
}

/// An alpha that is 0 everywhere was not meant.
Tga::Alpha Tga::find_alpha() {
  const bool room = kind_ == kIndexed ? palette_bits() == 32 : bits_ == (kind_ == kGrey ? 16 : 32);
  const Alpha said = room ? alpha_of_extension() : Alpha::kNone;
  if (said == Alpha::kNone) return said;
  bool some = false, all = true;
  each_pixel([&](const Rgba& rgba) {
    some |= rgba[3] != 0;
    all &= rgba[3] == 65535;
  });
  return some && !all ? said : Alpha::kNone;
}

/// Calls take(rgba) for every pixel in the order of the file. Runs may go on in the next row; one that goes
/// on behind the last ends there.
template <typename Take>
void Tga::each_pixel(Take&& take) {
  const size_t bytes = pixel_bytes();
  size_t at = pixels_;
  const auto next = [&](size_t count) {
    if (file_.size - at < count) file_.fail_truncated();
    at += count;
    return file_.data + at - count;
  };
  for (int64_t left = int64_t{h_} * w_; left > 0;) {
    const uint32_t packet = run_lengths_ ? *next(1) : 0;
    const int64_t count = std::min<int64_t>(left, (packet & 0x7f) + 1);
    if ((packet & 0x80) != 0) {
      const Rgba rgba = pixel(next(bytes));
      for (int64_t i = 0; i < count; ++i) take(rgba);
    } else {
      for (int64_t i = 0; i < count; ++i) take(pixel(next(bytes)));
    }
    left -= count;
  }
}

Image Tga::decode() {
  const uint32_t descriptor = field(17, 1);
  if ((descriptor & 0xc0) != 0) file_.fail("is a TGA of a kind that is not read (interleaved)");
  constexpr double kMostPixelsPerByte = 64;  // two bytes are a run of 128 pixels
  file_.check_size(h_, w_, kMostPixelsPerByte * static_cast<double>(file_.size));
  read_palette();
  const size_t pixel_count = static_cast<size_t>(h_) * static_cast<size_t>(w_);
  if (!run_lengths_ && file_.size - pixels_ < pixel_count * pixel_bytes()) file_.fail_truncated();
  const Alpha alpha = find_alpha();
  const size_t channels = alpha == Alpha::kNone ? 3 : 4;
  const bool from_top = (descriptor & 0x20) != 0, from_right = (descriptor & 0x10) != 0;
  PictureBuilder builder(
      file_,
      {h_, w_, {static_cast<int>(channels), 2}, from_top ? (from_right ? 2 : 1) : (from_right ? 3 : 4)});
  std::vector<uint16_t> row(static_cast<size_t>(w_) * channels);
  size_t filled = 0;
  each_pixel([&](Rgba rgba) {
    if (alpha == Alpha::kPremultiplied && rgba[3] != 0) {
      for (size_t c = 0; c < 3; ++c) rgba[c] = in_16_bits(std::min(rgba[c], rgba[3]), rgba[3]);
    }
    std::copy_n(rgba.begin(), channels, row.begin() + static_cast<ptrdiff_t>(filled));
    filled += channels;
    if (filled < row.size()) return;
    builder.add_row(row.data());
    filled = 0;
  });
  return builder.finish();
}

}  // namespace

bool is_tga(const uint8_t* file, size_t size) {
  return size >= kHeader && Tga({file, size, {}, {}, nullptr}).plausible();
}

Image decode_tga(const PictureFile& file) { return Tga(file).decode(); }

}  // namespace swag
