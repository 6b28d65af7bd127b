// After "Bitmap Storage" in Microsoft's reference of the Windows GDI: BITMAPFILEHEADER, then BITMAPCOREHEADER
// (12 bytes), BITMAPINFOHEADER (40), with masks (52, 56), BITMAPV4HEADER (108) or BITMAPV5HEADER (124); 64 is
// OS/2's second. Whatever does not fit into the file is refused; a number of a colour that the palette does
// not have is black.
#include "src/codecs/bmp.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "src/codecs/picture_builder.h"

namespace swag {
namespace {

constexpr size_t kFileHeader = 14;
constexpr uint32_t kCore = 12, kOs2 = 64, kVersion4 = 108, kVersion5 = 124;
enum Compression : uint32_t { kNone = 0, kBitFields = 3, kAlphaBitFields = 6 };

class Bmp {
 public:
  explicit Bmp(const PictureFile& file) : file_(file) {}
  Image decode();

 private:
  /// A field of the header that comes after the file's, by its place in there.
  uint32_t field(size_t at, int bytes = 4) const { return file_.little_endian(kFileHeader + at, bytes); }

  void read_header();
  void read_masks();
  void read_palette();
  ColourProfile profile() const;
  bool has_alpha() const;
  const uint8_t* row(int from_top) const;
  /// Of 16 or 32 bits.
  uint32_t pixel(const uint8_t* row, int x) const {
    const uint8_t* in = row + static_cast<ptrdiff_t>(x) * (bits_ / 8);
    const uint32_t low = in[0] | uint32_t{in[1]} << 8;
    return bits_ == 16 ? low : low | uint32_t{in[2]} << 16 | uint32_t{in[3]} << 24;
  }
  void unpack(const uint8_t* in, std::vector<uint16_t>& out) const;

  const PictureFile& file_;
  uint32_t header_ = 0;  // its size
  int w_ = 0, h_ = 0, bits_ = 0;
  bool top_down_ = false, alpha_ = false;
  size_t pixels_ = 0, row_bytes_ = 0;  // where they are, and from row to row
  uint32_t compression_ = kNone;
  std::array<uint32_t, 4> masks_ = {};                     // red, green, blue, alpha; of 16 and 32 bits
  std::array<std::array<uint16_t, 3>, 256> colours_ = {};  // of up to 8 bits, in 16
};

void Bmp::read_header() {
  header_ = field(0);
  const bool known = header_ == kCore || header_ == 40 || header_ == 52 || header_ == 56 || header_ == kOs2 ||
                     header_ == kVersion4 || header_ == kVersion5;
  if (!known)
    file_.fail("is a BMP of a kind that is not read (a header of " + std::to_string(header_) + " bytes)");
  int64_t w, h;
  if (header_ == kCore) {
    w = field(4, 2);
    h = field(6, 2);
    bits_ = static_cast<int>(field(10, 2));
  } else {
    w = static_cast<int32_t>(field(4));
    h = static_cast<int32_t>(field(8));
    bits_ = static_cast<int>(field(14, 2));
    compression_ = field(16);
  }
  top_down_ = h < 0;
  h = std::llabs(h);
  const bool indexed = bits_ == 1 || bits_ == 2 || bits_ == 4 || bits_ == 8,
             deep = bits_ == 16 || bits_ == 32;
  const bool masked =
      (compression_ == kBitFields || compression_ == kAlphaBitFields) && deep && header_ != kOs2;
  if (!(compression_ == kNone && (indexed || deep || bits_ == 24)) && !masked) {
    file_.fail("is a BMP of a kind that is not read (" + std::to_string(bits_) + " bits, compression " +
               std::to_string(compression_) + ")");
  }
  file_.check_size(h, w, 8.0 * static_cast<double>(file_.size) / bits_ + 32);
  w_ = static_cast<int>(w);
  h_ = static_cast<int>(h);
  row_bytes_ = (static_cast<size_t>(w_) * static_cast<size_t>(bits_) + 31) / 32 * 4;
  pixels_ = file_.little_endian(10, 4);
  if (pixels_ < kFileHeader + header_) file_.fail("is damaged (its pixels would begin within its header)");
  const size_t last = (static_cast<size_t>(w_) * static_cast<size_t>(bits_) + 7) / 8;  // need not be padded
  const size_t needed = row_bytes_ * static_cast<size_t>(h_ - 1) + last;
  if (pixels_ > file_.size || file_.size - pixels_ < needed) file_.fail_truncated();
}

/// They follow the first 40 bytes, whether the header has more or not.
void Bmp::read_masks() {
  if (bits_ == 16) masks_ = {0x7c00, 0x03e0, 0x001f, 0};
  if (bits_ == 32) masks_ = {0xff0000, 0x00ff00, 0x0000ff, 0};  // the fourth byte is reserved
  if (compression_ == kNone) return;
  const bool fourth = header_ >= 56 || compression_ == kAlphaBitFields;
  for (size_t i = 0; i < (fourth ? 4 : 3); ++i) masks_[i] = field(40 + 4 * i);
  if ((masks_[0] | masks_[1] | masks_[2]) == 0) file_.fail("is damaged (its masks hold no colours)");
}

void Bmp::read_palette() {
  if (bits_ > 8) return;
  const size_t entry = header_ == kCore ? 3 : 4, at = kFileHeader + header_;
  size_t count = size_t{1} << bits_;
  const size_t said = header_ == kCore ? 0 : field(32);
  if (said != 0) count = std::min(count, said);
  count = std::min(count, (pixels_ - at) / entry);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* blue = file_.data + at + i * entry;
    for (size_t c = 0; c < 3; ++c) colours_[i][c] = static_cast<uint16_t>(257 * blue[2 - c]);
  }
}

/// The fifth version may hold an ICC profile (which lies so far behind the header), the fourth says primaries
/// and gammas of its own.
ColourProfile Bmp::profile() const {
  if (header_ < kVersion4) return {};
  const uint32_t kind = field(56);
  if (kind == 0x4d424544 && header_ == kVersion5) {  // "MBED"
    const size_t at = kFileHeader + field(112), size = field(116);
    if (size == 0) return {};
    const bool inside = at <= file_.size && size <= file_.size - at;
    return embedded_profile(file_, inside ? file_.data + at : nullptr, size);
  }
  const bool says = kind == 0 && field(96) + field(100) + field(104) != 0;
  if (says) file_.note("its primaries and gammas are not followed; sRGB is assumed");
  return {};
}

/// An alpha that is 0 everywhere was not meant.
bool Bmp::has_alpha() const {
  if (masks_[3] == 0) return false;
  for (int y = 0; y < h_; ++y) {
    for (int x = 0; x < w_; ++x) {
      if ((pixel(row(y), x) & masks_[3]) != 0) return true;
    }
  }
  return false;
}

const uint8_t* Bmp::row(int from_top) const {
  const int stored = top_down_ ? from_top : h_ - 1 - from_top;
  return file_.data + pixels_ + row_bytes_ * static_cast<size_t>(stored);
}

/// The bits of a mask as a number of 16 bits; no mask: as good as nothing.
uint16_t masked(uint32_t value, uint32_t mask) {
  if (mask == 0) return 0;
  const uint32_t lowest = mask & (~mask + 1);
  const double part = static_cast<double>((value & mask) / lowest) / static_cast<double>(mask / lowest);
  return static_cast<uint16_t>(part * 65535 + 0.5);
}

void Bmp::unpack(const uint8_t* in, std::vector<uint16_t>& out) const {
  uint16_t* to = out.data();
  const size_t channels = alpha_ ? 4 : 3;
  for (int x = 0; x < w_; ++x, to += channels) {
    if (bits_ <= 8) {
      const int bit = x * bits_, index = in[bit / 8] >> (8 - bits_ - bit % 8) & ((1 << bits_) - 1);
      std::copy(colours_[static_cast<size_t>(index)].begin(), colours_[static_cast<size_t>(index)].end(), to);
    } else if (bits_ == 24) {
      for (size_t c = 0; c < 3; ++c)
        to[c] = static_cast<uint16_t>(257 * in[3 * static_cast<size_t>(x) + 2 - c]);
    } else {
      const uint32_t value = pixel(in, x);
      for (size_t c = 0; c < channels; ++c) to[c] = masked(value, masks_[c]);
    }
  }
}

Image Bmp::decode() {
  read_header();
  read_masks();
  read_palette();
  alpha_ = has_alpha();
  const SampleLayout layout = {alpha_ ? 4 : 3, 2};
  PictureBuilder builder(file_, {h_, w_, layout}, profile());
  std::vector<uint16_t> samples(static_cast<size_t>(w_) * static_cast<size_t>(layout.channels));
  for (int y = 0; y < h_; ++y) {
    unpack(row(y), samples);
    builder.add_row(samples.data());
  }
  return builder.finish();
}

}  // namespace

bool is_bmp(const uint8_t* file, size_t size) { return size >= 2 && file[0] == 'B' && file[1] == 'M'; }

Image decode_bmp(const PictureFile& file) { return Bmp(file).decode(); }

}  // namespace swag
