#include <new>

#include "src/codecs/png.h"
#include "src/codecs/png_errors.h"
#include "src/support/error.h"

namespace swag {
namespace {

class Encoder {
 public:
  explicit Encoder(const std::string& path) : path_(path) {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors_, PngErrors::leave, PngErrors::on_warning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) fail("there is not enough memory");
  }
  ~Encoder() { png_destroy_write_struct(&png_, &info_); }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  std::vector<uint8_t> encode(const std::vector<uint8_t>& pixels, int h, int w, int channels,
                              const char* keyword, const std::string& text);

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(Status::kOutput, path_ + ": the picture could not be encoded (" + reason + ")");
  }
  template <typename Body>
  void run(Body body) {
    if (!errors_.call(body)) fail(errors_.message());
  }
  bool append(const uint8_t* data, size_t size) noexcept {
    try {
      file_.insert(file_.end(), data, data + size);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  static void write(png_structp png, png_bytep data, size_t size) {
    if (!static_cast<Encoder*>(png_get_io_ptr(png))->append(data, size)) png_error(png, "out of memory");
  }
  void add_text(const char* keyword, const std::string& text);

  const std::string& path_;
  PngErrors errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::vector<uint8_t> file_;
};

void Encoder::add_text(const char* keyword, const std::string& text) {
  char none[] = "";
  png_text entry = {};
  entry.compression = PNG_ITXT_COMPRESSION_NONE;
  entry.key = const_cast<char*>(keyword);
  entry.text = const_cast<char*>(text.c_str());
  entry.itxt_length = text.size();
  entry.lang = entry.lang_key = none;
  run([&] { png_set_text(png_, info_, &entry, 1); });
}

std::vector<uint8_t> Encoder::encode(const std::vector<uint8_t>& pixels, int h, int w, int channels,
                                     const char* keyword, const std::string& text) {
  run([&] {
    png_set_write_fn(png_, this, write, nullptr);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(w), static_cast<png_uint_32>(h), 8,
                 channels == 4 ? PNG_COLOR_TYPE_RGBA : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(png_, info_, PNG_sRGB_INTENT_PERCEPTUAL);
  });
  if (!text.empty()) add_text(keyword, text);
  run([this] { png_write_info(png_, info_); });
  for (size_t row = 0; row < static_cast<size_t>(h); ++row) {
    run([&] { png_write_row(png_, &pixels[row * static_cast<size_t>(w) * static_cast<size_t>(channels)]); });
  }
  run([this] { png_write_end(png_, nullptr); });
  return std::move(file_);
}

}  // namespace

std::vector<uint8_t> encode_png(const std::string& path, const std::vector<uint8_t>& pixels, int h, int w,
                                int channels, const char* keyword, const std::string& text) {
  return Encoder(path).encode(pixels, h, w, channels, keyword, text);
}

}  // namespace swag
