#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "tests/codecs/picture_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

/// LZW data of a GIF from its definition: strings in a map, which is cleared when all codes are used, or
/// kept.
class LzwEncoder {
 public:
  explicit LzwEncoder(int colour_bits, bool clear_when_full = true)
      : colour_bits_(colour_bits), clear_when_full_(clear_when_full) {}

  std::string encode(const std::string& pixels) {
    start();
    put(clear_code());
    std::string string;
    for (const char pixel : pixels) {
      const std::string longer = string + pixel;
      if (codes_.count(longer) != 0) {
        string = longer;
        continue;
      }
      put(codes_.at(string));
      if (next_ < 4096) {
        codes_[longer] = next_++;
        if (next_ > 1 << code_bits_ && code_bits_ < 12) ++code_bits_;
      } else if (clear_when_full_) {
        put(clear_code());
        start();
      }
      string = pixel;
    }
    put(codes_.at(string));
    if (next_ == 1 << code_bits_ && code_bits_ < 12)
      ++code_bits_;  // the decoder makes an entry of this one too
    put(clear_code() + 1);
    return bytes_ + (bit_count_ > 0 ? std::string(1, static_cast<char>(bits_)) : "");
  }

 private:
  int clear_code() const { return 1 << colour_bits_; }
  void start() {
    codes_.clear();
    for (int i = 0; i < clear_code(); ++i) codes_[std::string(1, static_cast<char>(i))] = i;
    next_ = clear_code() + 2;
    code_bits_ = colour_bits_ + 1;
  }
  void put(int code) {
    bits_ |= static_cast<uint32_t>(code) << bit_count_;
    for (bit_count_ += code_bits_; bit_count_ >= 8; bit_count_ -= 8, bits_ >>= 8)
      bytes_ += static_cast<char>(bits_ & 255);
  }

  int colour_bits_;
  bool clear_when_full_;
  std::map<std::string, int> codes_;
  int next_ = 0, code_bits_ = 0, bit_count_ = 0;
  uint32_t bits_ = 0;
  std::string bytes_;
};

std::string blocks(const std::string& data) {
  std::string out;
  for (size_t at = 0; at < data.size(); at += 255) {
    const std::string part = data.substr(at, 255);
    out += static_cast<char>(part.size()) + part;
  }
  return out + '\0';
}

/// Colour i of 2^bits is the grey level i.
std::string greys(int bits) {
  std::string table;
  for (int i = 0; i < 1 << bits; ++i) table += std::string(3, static_cast<char>(i));
  return table;
}

struct Gif {
  int canvas_w = 4, canvas_h = 4;
  int left = 0, top = 0, w = 4, h = 4;
  int bits = 8;
  bool interlaced = false, local_colours = false;
  int transparent = -1;
  std::string pixels = "";  // (h, w), encoded unless `lzw` is given
  std::string lzw = "";     // without the number of bits before it
  int stated_bits = 0;      // that number, else what `bits` asks for
  std::string before = "", behind = ";";

  std::string bytes() const {
    const auto two = [](int value) { return little_endian(static_cast<uint32_t>(value), 2); };
    const auto one = [](int value) { return little_endian(static_cast<uint32_t>(value), 1); };
    const int table = 0x80 | (bits - 1), code_bits = std::max(bits, 2);
    std::string file = "GIF89a" + two(canvas_w) + two(canvas_h) + one(local_colours ? 0 : table) + "\0\0"s;
    if (!local_colours) file += greys(bits);
    file += before;
    if (transparent >= 0) file += "\x21\xf9\4\1\0\0"s + one(transparent) + "\0"s;
    file += "," + two(left) + two(top) + two(w) + two(h) +
            one((interlaced ? 0x40 : 0) | (local_colours ? table : 0));
    if (local_colours) file += greys(bits);
    file += one(stated_bits != 0 ? stated_bits : code_bits);
    return file + blocks(lzw.empty() ? LzwEncoder(code_bits).encode(pixels) : lzw) + behind;
  }
};

/// A picture's grey levels as bytes.
std::string levels(const Image& image) {
  std::string out;
  for (size_t i = 0; i < image.rgb.size(); i += 3) out += static_cast<char>(std::lround(image.rgb[i] * 255));
  return out;
}

/// Random colours in runs of random length.
std::string random_pixels(int count, int bits) {
  uint32_t state = 1;
  std::string out;
  while (out.size() < static_cast<size_t>(count)) {
    state = state * 1664525 + 1013904223;
    out += std::string(1 + (state >> 28), static_cast<char>(state >> 16 & ((1u << bits) - 1)));
  }
  return out.substr(0, static_cast<size_t>(count));
}

const std::string kSixteen = "abcdefghijklmnop";

}  // namespace

TEST_CASE("GIF of every number of colours, with codes that grow, run out, and are cleared or kept") {
  for (int bits = 1; bits <= 8; ++bits) {
    CAPTURE(bits);
    for (const bool clear_when_full : {true, false}) {
      Gif file;
      file.bits = bits;
      file.w = file.canvas_w = 253;
      file.h = file.canvas_h = 301;
      file.pixels = random_pixels(file.w * file.h, bits);
      file.lzw = LzwEncoder(std::max(bits, 2), clear_when_full).encode(file.pixels);
      const bool same = levels(decode(file.bytes())) == file.pixels;
      CHECK(same);
    }
  }
}

TEST_CASE("GIF of one colour, each of whose codes is made by itself") {
  Gif file;
  file.w = file.canvas_w = file.h = file.canvas_h = 200;
  file.pixels = std::string(40000, '\5');
  const bool same = levels(decode(file.bytes())) == file.pixels;
  CHECK(same);
}

TEST_CASE("GIF with interlaced rows, and with colours of its frame's own") {
  Gif file;
  file.interlaced = true;
  file.w = file.canvas_w = 2;
  file.h = file.canvas_h = 10;
  file.pixels = "aaiieeccggbbddffhhjj";
  CHECK(levels(decode(file.bytes())) == "aabbccddeeffgghhiijj");
  file.local_colours = true;
  CHECK(levels(decode(file.bytes())) == "aabbccddeeffgghhiijj");
}

TEST_CASE("what a GIF's first frame leaves out and its transparent colour are transparent") {
  Gif file;
  file.canvas_w = 3;
  file.canvas_h = 2;
  file.left = file.top = 1;
  file.w = 2;
  file.h = 1;
  file.pixels = "ab";
  const Image image = decode(file.bytes());
  CHECK(image.alpha == std::vector<float>{0, 0, 0, 0, 1, 1});
  CHECK(levels(image).substr(4) == "ab");
  file.transparent = 'a';
  CHECK(decode(file.bytes()).alpha == std::vector<float>{0, 0, 0, 0, 0, 1});
}

TEST_CASE("a GIF's canvas grows with a first frame beyond it") {
  Gif file;
  file.pixels = kSixteen;
  for (const int canvas : {0, 1, 3}) {
    file.canvas_w = file.canvas_h = canvas;
    CHECK(levels(decode(file.bytes())) == kSixteen);
  }
}

TEST_CASE("what follows a GIF's last pixel does not matter: codes, pixels, or that it is missing") {
  Gif file;
  file.pixels = kSixteen;
  const std::string whole = file.bytes();
  CHECK(levels(decode(whole.substr(0, whole.size() - 3))) == kSixteen);
  file.lzw = LzwEncoder(8).encode(kSixteen) + std::string(100000, '\xff');
  CHECK(levels(decode(file.bytes())) == kSixteen);
  file.lzw = LzwEncoder(8).encode(kSixteen + std::string(100000, 'q'));
  CHECK(levels(decode(file.bytes())) == kSixteen);
}

TEST_CASE("a GIF whose pixels are not all there is refused") {
  Gif file;
  file.pixels = kSixteen.substr(1);
  CHECK(error_of(file.bytes()) == "3: in: is damaged (its pixels end early)");
  file.pixels = kSixteen;
  const std::string whole = file.bytes();
  for (size_t size = 6; size < whole.size() - 5; ++size) CHECK(error_of(whole.substr(0, size)) != "");
  CHECK(error_of(whole.substr(0, whole.size() - 8)) == "3: in: is truncated; copy or download it again");
  file.lzw = LzwEncoder(8).encode(kSixteen);
  file.lzw[3] = file.lzw[4] = '\xff';  // a code that does not exist yet
  CHECK(error_of(file.bytes()) == "3: in: is damaged (its pixels end early)");
  for (const int bits : {9, 12, 255}) {
    file.stated_bits = bits;
    CHECK(error_of(file.bytes()) == "3: in: is damaged (" + std::to_string(bits) + " bits a pixel)");
  }
  CHECK(error_of("GIF89a\4\0\4\0\0\0\0;"s) == "3: in: is damaged (it holds no picture)");
  CHECK(error_of("GIF89a\2\0\2\0\0\0\0,\0\0\0\0\2\0\2\0\0\2\2\x0c\x0a\0;"s) ==
        "3: in: is damaged (it holds no colours)");
}

TEST_CASE("a GIF's colour profile of more than 16 MiB is none") {
  Gif file;
  file.pixels = kSixteen;
  file.before = "\x21\xff\x0bICCRGBG1012"s + blocks(std::string((16 << 20) + 300, '\0'));
  CHECK(notes_of(file.bytes()) == "in: its colour profile is damaged or incomplete; sRGB is assumed");
}

TEST_CASE("a GIF with several frames says that its first is taken, a still one says nothing") {
  Gif file;
  file.pixels = kSixteen;
  CHECK(notes_of(file.bytes()) == "");
  const std::string comment = "\x21\xfe\x02hi\0"s, one = file.bytes(),
                    frame = one.substr(one.find(','), one.size() - one.find(',') - 1);
  file.before = comment;
  file.behind = comment + frame + frame + ";";
  CHECK(notes_of(file.bytes()) == "in: is animated; its first frame is taken");
}

TEST_CASE("a GIF of a few bytes that states a huge size is refused by its header") {
  Gif file;
  file.canvas_w = file.canvas_h = 16384;
  file.pixels = kSixteen;
  CHECK(error_of(file.bytes()).find("states a size of 16384x16384 pixels, more than its ") !=
        std::string::npos);
}

}  // namespace swag::test
