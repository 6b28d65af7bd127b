#include "src/codecs/encode.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "src/codecs/chunks.h"
#include "src/codecs/jpeg.h"
#include "src/codecs/png.h"
#include "src/support/file.h"
#include "src/support/output_place.h"

namespace swag {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

// PNG: an iTXt chunk "keyword\0 flag method language\0 translated\0 text", here uncompressed and without
// language. JPEG: comment segments, each with the keyword and a space, because other programs write comments
// too.
constexpr char kPngKeyword[] = "swag";
constexpr char kPngPrefix[] = "swag\0\0\0\0";
constexpr size_t kPngPrefixSize = sizeof kPngPrefix;  // with the last NUL
constexpr char kJpegPrefix[] = "swag ";
constexpr size_t kJpegPrefixSize = sizeof kJpegPrefix - 1;
constexpr size_t kSegmentText = 65533 - kJpegPrefixSize;

enum class Format { kUnknown, kPng, kJpeg };

Format format_of(const std::string& path) {
  std::string suffix = fs::path(path).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (suffix == ".png") return Format::kPng;
  return suffix == ".jpg" || suffix == ".jpeg" ? Format::kJpeg : Format::kUnknown;
}

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(Status::kOutput, path + ": " + what);
}

void check_suffix(const std::string& path) {
  if (format_of(path) == Format::kUnknown) fail(path, "unknown suffix; write to .png, .jpg or .jpeg");
}

uint8_t eight_bits(float value) {
  return static_cast<uint8_t>(std::lround(std::min(1.0f, std::max(0.0f, value)) * 255.0f));
}

/// (h, w, 3), or (h, w, 4) when alpha is kept.
Bytes pixels_of(const Image& image, bool keep_alpha) {
  const size_t count = static_cast<size_t>(image.h) * image.w;
  const int channels = keep_alpha ? 4 : 3;
  Bytes pixels(count * channels);
  for (size_t i = 0; i < count; ++i) {
    for (int c = 0; c < 3; ++c) {
      pixels[i * channels + c] = eight_bits(keep_alpha ? image.rgb[i * 3 + c] : over_white(image, i, c));
    }
    if (keep_alpha) pixels[i * channels + 3] = eight_bits(image.alpha[i]);
  }
  return pixels;
}

/// The text in as many comments as it takes.
std::vector<std::string> comments_of(const std::string& text) {
  std::vector<std::string> comments;
  for (size_t at = 0; at < text.size(); at += kSegmentText) {
    comments.push_back(kJpegPrefix + text.substr(at, kSegmentText));
  }
  return comments;
}

}  // namespace

bool is_picture_name(const std::string& path) { return format_of(path) != Format::kUnknown; }

void check_output_path(const std::string& path, bool overwrite) {
  std::error_code ignored;
  if (!path.empty() && !fs::is_directory(path, ignored)) check_suffix(path);
  check_output_file(path, overwrite);
}

bool loses_alpha(const std::string& path) { return format_of(path) == Format::kJpeg; }

void save_image(const std::string& path, const Image& image, int jpeg_quality,
                const std::string& description) {
  check_suffix(path);
  const bool png = format_of(path) == Format::kPng, keep_alpha = png && !image.alpha.empty();
  const Bytes pixels = pixels_of(image, keep_alpha);
  const Bytes file =
      png ? encode_png(path, pixels, image.h, image.w, keep_alpha ? 4 : 3, kPngKeyword, description)
          : encode_jpeg(path, pixels, image.h, image.w, jpeg_quality, comments_of(description));
  atomic_write_file(path, file.data(), file.size());
}

std::string read_description(const Bytes& file) {
  std::string text;
  if (is_png(file.data(), file.size())) {
    for_each_png_chunk(file.data(), file.size(), [&](const char* type, const uint8_t* data, size_t length) {
      if (std::memcmp(type, "iTXt", 4) != 0 || length < kPngPrefixSize) return;
      if (std::memcmp(data, kPngPrefix, kPngPrefixSize) != 0) return;
      text.assign(data + kPngPrefixSize, data + length);
    });
  } else if (is_jpeg(file.data(), file.size())) {
    for_each_jpeg_segment(file.data(), file.size(), [&](uint8_t marker, const uint8_t* data, size_t length) {
      if (marker != 0xfe || length < kJpegPrefixSize) return;
      if (std::memcmp(data, kJpegPrefix, kJpegPrefixSize) != 0) return;
      text.append(data + kJpegPrefixSize, data + length);
    });
  }
  return text;
}

}  // namespace swag
