#include "src/codecs/decode.h"

#include <stb/stb_image.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>
#include <utility>

#include "src/codecs/chunks.h"
#include "src/codecs/exif.h"
#include "src/codecs/foreign.h"
#include "src/codecs/pnm.h"
#include "src/support/file.h"

namespace swag {
namespace {

constexpr int kLargestSide = 32768;
constexpr int64_t kMostPixels = int64_t{1} << 28;
constexpr int64_t kMostBytes = int64_t{1} << 30;  // of a file

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(Status::kImage, name + ": " + what);
}

void refuse_beyond_reason(int64_t h, int64_t w, const std::string& name) {
  const std::string dimensions = std::to_string(w) + "x" + std::to_string(h);
  if (w > kLargestSide || h > kLargestSide || w * h > kMostPixels) {
    fail(name, "states a size of " + dimensions + " pixels; at most " + std::to_string(kLargestSide) +
                   " a side and 2^28 in all can be read");
  }
  if (w < 1 || h < 1) fail(name, "states a size of " + dimensions + " pixels");
  if (w == 1 && h == 1) fail(name, "is a single pixel; there is nothing to see in it");
}

/// stb decodes some files whose end is missing, and paints the rest grey.
bool lacks_end(const uint8_t* file, size_t size) {
  if (is_jpeg(file, size)) return !for_each_jpeg_segment(file, size, [](uint8_t, const uint8_t*, size_t) {});
  return is_png(file, size) && !for_each_png_chunk(file, size, [](const char*, const uint8_t*, size_t) {});
}

/// Whether a JPEG's Huffman tables (DHT segments: class, 16 counts, symbols) have 256 symbols at most.
/// stb 2.27 writes behind its own table otherwise.
bool huffman_tables_fit(const uint8_t* file, size_t size) {
  bool fit = true;
  for_each_jpeg_segment(file, size, [&](uint8_t marker, const uint8_t* data, size_t length) {
    if (marker != 0xc4) return;
    for (size_t at = 0; fit && at < length;) {
      if (length - at < 17) fit = false;
      size_t symbols = 0;
      for (size_t i = 1; fit && i <= 16; ++i) symbols += data[at + i];
      at += 17 + symbols;
      fit = fit && symbols <= 256 && at <= length;
    }
  });
  return fit;
}

void check_header(const uint8_t* file, size_t size, const std::string& name) {
  int w = 0, h = 0, channels = 0;
  if (is_png(file, size) &&
      size >= 24) {  // stb_info does not tell the size of a PNG that is too large for it
    refuse_beyond_reason(big_endian32(file + 20), big_endian32(file + 16), name);
  }
  if (is_jpeg(file, size) && !huffman_tables_fit(file, size)) fail(name, "is damaged (Huffman tables)");
  const bool known = stbi_info_from_memory(file, static_cast<int>(size), &w, &h, &channels) != 0;
  if (known) refuse_beyond_reason(h, w, name);
  if (lacks_end(file, size)) fail(name, "is truncated; copy or download it again");
  if (!known) fail(name, "is not a picture that can be read; JPEG, PNG, BMP, GIF, TGA and binary PNM can");
}

/// A file in memory as stb's input that remembers whether the decoder asked for more than there is: stb takes
/// what it did not get for zeros, or leaves memory as it was.
struct Reader {
  const uint8_t* file;
  int64_t size, at = 0;
  bool past_end = false;

  static int read(void* user, char* to, int wanted) {
    constexpr int kLookahead = 128;  // stb fills its buffer with requests of this size, beyond what it needs
    auto& reader = *static_cast<Reader*>(user);
    const int64_t left = reader.size - std::min(reader.at, reader.size),
                  got = std::min<int64_t>(wanted, left);
    reader.past_end |= got < wanted && (got == 0 || wanted != kLookahead);
    if (got > 0) std::memcpy(to, reader.file + reader.at, static_cast<size_t>(got));
    reader.at += got;
    return static_cast<int>(got);
  }
  static void skip(void* user, int count) {
    auto& reader = *static_cast<Reader*>(user);
    reader.at += count;
    reader.past_end |= reader.at > reader.size;
  }
  static int at_end(void* user) {
    const auto& reader = *static_cast<Reader*>(user);
    return reader.at >= reader.size;
  }
};

/// Sample: stbi_uc or stbi_us, (h, w, 4). An alpha that is 1 everywhere is dropped.
template <typename Sample>
Image image_of(const Sample* samples, int h, int w) {
  constexpr float kWhite = static_cast<Sample>(-1);
  Image image;
  image.h = h;
  image.w = w;
  const size_t count = static_cast<size_t>(h) * w;
  image.rgb.resize(count * 3);
  bool transparent = false;
  for (size_t i = 0; i < count; ++i) {
    for (int c = 0; c < 3; ++c) image.rgb[i * 3 + c] = samples[i * 4 + c] / kWhite;
    transparent |= samples[i * 4 + 3] / kWhite < 1;
  }
  if (transparent) image.alpha.resize(count);
  for (size_t i = 0; i < image.alpha.size(); ++i) image.alpha[i] = samples[i * 4 + 3] / kWhite;
  return image;
}

template <typename Sample, typename Load>
Image decode_with(Load load, const uint8_t* file, size_t size, const std::string& name) {
  const stbi_io_callbacks callbacks = {Reader::read, Reader::skip, Reader::at_end};
  Reader reader{file, static_cast<int64_t>(size)};
  int w = 0, h = 0, channels = 0;
  const std::unique_ptr<Sample, void (*)(void*)> samples(load(&callbacks, &reader, &w, &h, &channels, 4),
                                                         stbi_image_free);
  if (reader.past_end) fail(name, "is truncated; copy or download it again");
  if (samples) return image_of(samples.get(), h, w);
  const std::string reason = stbi_failure_reason();
  if (reason == "outofmem") throw Error(Status::kMemory, name + ": there is not enough memory to decode it");
  fail(name, "is damaged, or of a kind that is not read (" + reason + ")");
}

}  // namespace

Image decode_image(const void* data, size_t size, const std::string& name) {
  const auto* file = static_cast<const uint8_t*>(data);
  if (size == 0) fail(name, "is empty");
  if (size > INT_MAX) fail(name, "is too large a file");
  refuse_foreign(file, size, name);
  PnmHeader pnm;
  if (parse_pnm(pnm, file, size)) {
    refuse_beyond_reason(pnm.h, pnm.w, name);
    return decode_pnm(pnm, file, size, name);
  }
  check_header(file, size, name);
  const bool deep = stbi_is_16_bit_from_memory(file, static_cast<int>(size)) != 0;
  Image image = deep ? decode_with<stbi_us>(stbi_load_16_from_callbacks, file, size, name)
                     : decode_with<stbi_uc>(stbi_load_from_callbacks, file, size, name);
  return oriented(std::move(image), exif_orientation(file, size));
}

Image load_image(const std::string& path) {
  const std::vector<uint8_t> file = read_file(path, Status::kImage, kMostBytes);
  return decode_image(file.data(), file.size(), path);
}

}  // namespace swag
