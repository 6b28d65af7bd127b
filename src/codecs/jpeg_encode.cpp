#include <cstdlib>

#include "src/codecs/jpeg.h"
#include "src/codecs/jpeg_errors.h"
#include "src/support/error.h"

namespace swag {
namespace {

constexpr int kFullColourQuality = 90;  // above it colours are kept at every pixel, below at every second

class Encoder {
 public:
  explicit Encoder(const std::string& path) : path_(path), errors_([](int) { return false; }) {
    info_.err = errors_.manager();
    run([this] { jpeg_create_compress(&info_); });
    run([this] { jpeg_mem_dest(&info_, &buffer_, &size_); });
  }
  ~Encoder() {
    jpeg_destroy_compress(&info_);
    std::free(buffer_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  std::vector<uint8_t> encode(const std::vector<uint8_t>& pixels, int h, int w, int quality,
                              const std::vector<std::string>& comments);

 private:
  template <typename Body>
  void run(Body body) {
    if (!errors_.call(body)) {
      throw Error(Status::kOutput, path_ + ": the picture could not be encoded (" + errors_.message() + ")");
    }
  }

  const std::string& path_;
  JpegErrors errors_;
  jpeg_compress_struct info_{};
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;  // NOLINT: libjpeg's type
};

std::vector<uint8_t> Encoder::encode(const std::vector<uint8_t>& pixels, int h, int w, int quality,
                                     const std::vector<std::string>& comments) {
  info_.image_width = static_cast<JDIMENSION>(w);
  info_.image_height = static_cast<JDIMENSION>(h);
  info_.input_components = 3;
  info_.in_color_space = JCS_RGB;
  run([this] { jpeg_set_defaults(&info_); });
  run([&] { jpeg_set_quality(&info_, quality, TRUE); });
  info_.optimize_coding = TRUE;
  if (quality > kFullColourQuality) info_.comp_info[0].h_samp_factor = info_.comp_info[0].v_samp_factor = 1;
  run([this] { jpeg_start_compress(&info_, TRUE); });
  for (const std::string& comment : comments) {
    run([&] {
      jpeg_write_marker(&info_, JPEG_COM, reinterpret_cast<const JOCTET*>(comment.data()),
                        static_cast<unsigned>(comment.size()));
    });
  }
  while (info_.next_scanline < info_.image_height) {
    auto* row = const_cast<JSAMPLE*>(&pixels[size_t{info_.next_scanline} * static_cast<size_t>(w) * 3]);
    run([&] { jpeg_write_scanlines(&info_, &row, 1); });
  }
  run([this] { jpeg_finish_compress(&info_); });
  return {buffer_, buffer_ + size_};
}

}  // namespace

std::vector<uint8_t> encode_jpeg(const std::string& path, const std::vector<uint8_t>& pixels, int h, int w,
                                 int quality, const std::vector<std::string>& comments) {
  return Encoder(path).encode(pixels, h, w, quality, comments);
}

}  // namespace swag
