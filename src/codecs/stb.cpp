#include "src/codecs/stb.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC  // the library's users may have an stb of their own
#define STBI_NO_STDIO
#define STBI_ONLY_GIF
#define STBI_ONLY_TGA
#define STBI_MAX_DIMENSIONS (1 << 24)  // picture_file.cpp has its own, smaller limit and says so

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <cstring>
#include <memory>

#include "src/codecs/gif.h"
#include "src/codecs/picture_builder.h"
#include "src/support/error.h"

namespace swag {
namespace {

// Two bytes are a run of 128 pixels of TGA.
constexpr double kMostPixelsPerByte = 64;

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

[[noreturn]] void refuse(const PictureFile& file) {
  const std::string reason = stbi_failure_reason();
  if (reason == "outofmem") {
    throw Error(Status::kMemory, file.name + ": there is not enough memory to decode it");
  }
  file.fail("is damaged, or of a kind that is not read (" + reason + ")");
}

/// The bytes of a TGA's header, palette and, where they are not compressed, pixels.
size_t tga_bytes(const uint8_t* file, int64_t pixels) {
  const size_t colours = file[5] | file[6] << 8, palette = file[1] == 1 ? colours * ((file[7] + 7u) / 8) : 0;
  const bool compressed = (file[2] & 8) != 0;
  return size_t{18} + file[0] + palette +
         (compressed ? 0 : static_cast<size_t>(pixels) * ((file[16] + 7u) / 8));
}

/// What stb does not look at: whether every row is there, where the first pixel is (bit 4 of the 18th byte:
/// on the right; 6 and 7: interleaved rows), and which number the first colour of a palette has. Returns the
/// orientation.
int tga_orientation(const PictureFile& file, int64_t pixels) {
  if (file.size < 18 || file.size < tga_bytes(file.data, pixels)) file.fail_truncated();
  const bool palette = file.data[1] == 1 && (file.data[3] | file.data[4]) != 0;
  if (palette || (file.data[17] & 0xc0) != 0) {
    file.fail(std::string("is a TGA of a kind that is not read (") +
              (palette ? "a palette that does not begin at 0" : "interleaved") + ")");
  }
  return (file.data[17] & 0x10) != 0 ? 2 : 1;  // mirrored
}

}  // namespace

Image decode_with_stb(const PictureFile& file) {
  int w = 0, h = 0, channels = 0;
  if (!stbi_info_from_memory(file.data, static_cast<int>(file.size), &w, &h, &channels)) {
    file.fail("is not a picture that can be read; JPEG, PNG, BMP, GIF, TGA and binary PNM (P5, P6) can");
  }
  const bool gif = is_gif(file.data, file.size);
  file.check_size(h, w,
                  gif ? most_gif_pixels(file.size) : kMostPixelsPerByte * static_cast<double>(file.size));
  const int64_t pixels = int64_t{h} * w;
  // stb holds RGBA, of a GIF three times: its canvas, the one before, and which pixels changed.
  const PictureBuilder::Source source = {
      h, w, {4, 1}, gif ? 1 : tga_orientation(file, pixels), pixels * (gif ? 9 : 8)};
  const GifSigns signs = gif ? gif_signs(file.data, file.size) : GifSigns();
  if (signs.several_frames) file.note("is animated; its first frame is taken");
  const std::vector<uint8_t>& icc = signs.icc;
  PictureBuilder builder(file, source,
                         icc.empty() ? ColourProfile() : embedded_profile(file, icc.data(), icc.size()));
  const stbi_io_callbacks callbacks = {Reader::read, Reader::skip, Reader::at_end};
  Reader reader{file.data, static_cast<int64_t>(file.size)};
  const std::unique_ptr<stbi_uc, void (*)(void*)> samples(
      stbi_load_from_callbacks(&callbacks, &reader, &w, &h, &channels, 4), stbi_image_free);
  if (reader.past_end) file.fail_truncated();
  if (!samples) refuse(file);
  if (h != source.h || w != source.w) file.fail("is damaged (it states two sizes)");
  for (int row = 0; row < h; ++row) builder.add_row(samples.get() + size_t{4} * static_cast<size_t>(w) * row);
  return builder.finish();
}

}  // namespace swag
