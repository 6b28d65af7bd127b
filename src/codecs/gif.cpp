// After CompuServe's "Graphics Interchange Format, Version 89a". What browsers do decides where it is silent:
// the canvas grows to hold a first frame larger than itself, and what that frame leaves out is transparent.
#include "src/codecs/gif.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "src/codecs/picture_builder.h"

namespace swag {
namespace {

/// An LZW decoder of GIF: numbers of colours, strings of which have codes of 3 to 12 bits.
class Lzw {
 public:
  /// `colour_bits` of 1 to 8: the codes below 2^colour_bits stand for themselves, the next one clears the
  /// table, the one after it ends the data.
  Lzw(int colour_bits, std::vector<uint8_t>& out) : colour_bits_(colour_bits), out_(out) { clear(); }

  /// Takes the bits of one byte. False after the last pixel, after the end code, and after a code that does
  /// not exist yet. Takes time for what it writes: a string is written back to front, its end left out where
  /// there is no room for it.
  bool take(uint8_t byte) {
    bits_ |= uint32_t{byte} << bit_count_;
    bit_count_ += 8;
    while (bit_count_ >= code_bits_) {
      const int code = static_cast<int>(bits_ & ((1u << code_bits_) - 1));
      bits_ >>= code_bits_;
      bit_count_ -= code_bits_;
      if (!take_code(code)) return false;
    }
    return true;
  }

  bool full() const { return written_ == out_.size(); }

 private:
  static constexpr int kCodes = 4096, kNone = -1;
  struct String {
    uint16_t prefix;  // a code, of the string without its last pixel
    uint8_t last;
    uint16_t length;
  };

  int end_code() const { return (1 << colour_bits_) + 1; }

  void clear() {
    code_bits_ = colour_bits_ + 1;
    next_ = end_code() + 1;
    before_ = kNone;
  }

  bool take_code(int code) {
    if (code == end_code() - 1) {
      clear();
      return true;
    }
    const bool known = code < end_code() || (code > end_code() && code < next_);
    const bool follows =
        code == next_ && before_ != kNone && next_ < kCodes;  // the string before and its first
    if (!known && !follows) return false;
    if (known) first_ = write(code);
    if (before_ != kNone && next_ < kCodes) {
      strings_[next_] = {static_cast<uint16_t>(before_), first_, static_cast<uint16_t>(length(before_) + 1)};
      ++next_;
      if (next_ == 1 << code_bits_ && code_bits_ < 12) ++code_bits_;
    }
    if (follows) write(code);
    before_ = code;
    return !full();
  }

  size_t length(int code) const { return code < end_code() ? 1 : strings_[code].length; }

  /// Returns the string's first pixel.
  uint8_t write(int code) {
    const size_t end = written_ + length(code);
    size_t at = end;
    for (; code > end_code(); code = strings_[code].prefix) {
      if (--at < out_.size()) out_[at] = strings_[code].last;
    }
    if (written_ < out_.size()) out_[written_] = static_cast<uint8_t>(code);
    written_ = std::min(end, out_.size());
    return static_cast<uint8_t>(code);
  }

  int colour_bits_;
  std::vector<uint8_t>& out_;
  size_t written_ = 0;
  std::array<String, kCodes> strings_ = {};
  int code_bits_ = 0, next_ = 0, before_ = kNone;
  uint8_t first_ = 0;  // of the last string
  uint32_t bits_ = 0;
  int bit_count_ = 0;
};

class Gif {
 public:
  explicit Gif(const PictureFile& file) : file_(file) {}
  Image decode();

 private:
  using Rgba = std::array<uint8_t, 4>;

  uint32_t number(size_t at, int bytes) const { return file_.little_endian(at, bytes); }
  size_t after_colours(size_t at, uint32_t flags);
  size_t after_blocks(size_t at, std::vector<uint8_t>* data = nullptr) const;
  void read_structure();
  void read_pixels();
  std::vector<int> stored_rows() const;

  const PictureFile& file_;
  int canvas_h_ = 0, canvas_w_ = 0;
  int top_ = 0, left_ = 0, h_ = 0, w_ = 0;  // the first frame
  bool has_colours_ = false, interlaced_ = false;
  int transparent_ = -1;  // the number of a colour
  std::array<Rgba, 256> colours_ = {};
  std::vector<uint8_t> icc_;
  size_t data_ = 0;              // where the first frame's pixels are
  std::vector<uint8_t> pixels_;  // (h, w) as they are stored
};

/// Reads a colour table, if the flags before it say that there is one. A number beyond it is black.
size_t Gif::after_colours(size_t at, uint32_t flags) {
  if ((flags & 0x80) == 0) return at;
  const size_t count = size_t{2} << (flags & 7);
  colours_.fill({0, 0, 0, 255});
  for (size_t i = 0; i < count; ++i) {
    const uint32_t rgb = number(at + 3 * i, 3);
    for (size_t c = 0; c < 3; ++c) colours_[i][c] = static_cast<uint8_t>(rgb >> 8 * c);
  }
  has_colours_ = true;
  return at + 3 * count;
}

/// Behind blocks with a length each, of which the last is empty; `data` gets what they hold.
size_t Gif::after_blocks(size_t at, std::vector<uint8_t>* data) const {
  for (size_t length = 0; at < file_.size && (length = file_.data[at]) != 0; at += length + 1) {
    const uint8_t* begin = file_.data + at + 1;
    if (data != nullptr && data->size() <= kMostProfileBytes)
      data->insert(data->end(), begin, begin + std::min(length, file_.size - at - 1));
  }
  return at + 1;
}

/// Up to the second frame; what is behind the first does not matter otherwise, and may be missing.
void Gif::read_structure() {
  constexpr uint8_t kExtension = 0x21, kFrame = 0x2c, kControl = 0xf9;
  constexpr char kProfile[] = "\xff\x0bICCRGBG1012";  // an application's, a block of 11 bytes
  constexpr size_t kProfileSize = sizeof kProfile - 1;
  canvas_w_ = static_cast<int>(number(6, 2));
  canvas_h_ = static_cast<int>(number(8, 2));
  size_t at = after_colours(13, number(10, 1));
  while (at < file_.size) {
    if (file_.data[at] == kExtension) {
      const bool icc =
          file_.size - at > kProfileSize && std::memcmp(file_.data + at + 1, kProfile, kProfileSize) == 0;
      if (data_ == 0 && at + 8 <= file_.size && file_.data[at + 1] == kControl && file_.data[at + 2] >= 4)
        transparent_ = (file_.data[at + 3] & 1) != 0 ? file_.data[at + 6] : -1;
      at = icc ? after_blocks(at + 1 + kProfileSize, &icc_) : after_blocks(at + 2);
    } else if (file_.data[at] == kFrame) {
      if (data_ != 0) return file_.note("is animated; its first frame is taken");
      left_ = static_cast<int>(number(at + 1, 2));
      top_ = static_cast<int>(number(at + 3, 2));
      w_ = static_cast<int>(number(at + 5, 2));
      h_ = static_cast<int>(number(at + 7, 2));
      const uint32_t flags = number(at + 9, 1);
      interlaced_ = (flags & 0x40) != 0;
      data_ = after_colours(at + 10, flags);
      at = after_blocks(data_ + 1);
    } else {
      break;
    }
  }
  if (data_ == 0) file_.fail("is damaged (it holds no picture)");
  if (!has_colours_) file_.fail("is damaged (it holds no colours)");
}

void Gif::read_pixels() {
  const uint32_t colour_bits = number(data_, 1);
  if (colour_bits < 1 || colour_bits > 8)
    file_.fail("is damaged (" + std::to_string(colour_bits) + " bits a pixel)");
  pixels_.resize(static_cast<size_t>(h_) * static_cast<size_t>(w_));
  Lzw lzw(static_cast<int>(colour_bits), pixels_);
  bool more = !pixels_.empty();
  size_t at = data_ + 1;
  for (uint32_t length = 0; more && (length = number(at, 1)) != 0; at += length + 1) {
    for (uint32_t i = 1; more && i <= length; ++i) more = lzw.take(static_cast<uint8_t>(number(at + i, 1)));
  }
  if (!lzw.full()) file_.fail("is damaged (its pixels end early)");
}

/// For each row from the top the place that it is stored at.
std::vector<int> Gif::stored_rows() const {
  std::vector<int> places(static_cast<size_t>(h_));
  int place = 0;
  const auto pass = [&](int first, int step) {
    for (int row = first; row < h_; row += step) places[static_cast<size_t>(row)] = place++;
  };
  if (interlaced_) {
    pass(0, 8);
    pass(4, 8);
    pass(2, 4);
    pass(1, 2);
  } else {
    pass(0, 1);
  }
  return places;
}

/// As many pixels as a file of this size can have: a code of 12 bits stands for 4096 pixels at most. The
/// first frame may fill a small part of its canvas, so that a canvas of 4 megapixels is always allowed.
double most_pixels(size_t size) { return std::max(double{1 << 22}, static_cast<double>(size) * 4096 / 1.5); }

Image Gif::decode() {
  read_structure();
  const int h = std::max(canvas_h_, top_ + h_), w = std::max(canvas_w_, left_ + w_);
  file_.check_size(h, w, most_pixels(file_.size));
  const int64_t pixels = int64_t{h_} * w_;
  if (transparent_ >= 0) colours_[static_cast<size_t>(transparent_)] = {};
  const bool has_alpha = transparent_ >= 0 || pixels < int64_t{h} * w;
  const size_t channels = has_alpha ? 4 : 3;
  PictureBuilder builder(file_, {h, w, {static_cast<int>(channels), 1}, 1, pixels},
                         icc_.empty() ? ColourProfile() : embedded_profile(file_, icc_.data(), icc_.size()));
  read_pixels();
  const std::vector<int> places = stored_rows();
  std::vector<uint8_t> row(static_cast<size_t>(w) * channels);
  for (int y = 0; y < h; ++y) {
    std::fill(row.begin(), row.end(), uint8_t{0});
    if (y >= top_ && y < top_ + h_) {
      const uint8_t* in = pixels_.data() + static_cast<size_t>(places[static_cast<size_t>(y - top_)]) *
                                               static_cast<size_t>(w_);
      uint8_t* out = row.data() + static_cast<size_t>(left_) * channels;
      for (int x = 0; x < w_; ++x, out += channels) std::memcpy(out, colours_[in[x]].data(), channels);
    }
    builder.add_row(row.data());
  }
  return builder.finish();
}

}  // namespace

bool is_gif(const uint8_t* file, size_t size) {
  return size >= 6 && (std::memcmp(file, "GIF87a", 6) == 0 || std::memcmp(file, "GIF89a", 6) == 0);
}

Image decode_gif(const PictureFile& file) { return Gif(file).decode(); }

}  // namespace swag
