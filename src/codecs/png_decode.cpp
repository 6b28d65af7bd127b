#include <algorithm>
#include <cctype>
#include <cstring>

#include "src/codecs/chunks.h"
#include "src/codecs/exif.h"
#include "src/codecs/picture_builder.h"
#include "src/codecs/png.h"
#include "src/codecs/png_errors.h"
#include "src/support/error.h"

namespace swag {
namespace {

// Deflate makes at most 258 bytes of two bits.
constexpr double kMostBytesPerByte = 1032;
// Texts and the like that libpng decompresses and keeps, up to 8 MB each.
constexpr int kMostCachedChunks = 16;

constexpr png_byte kOtherColours[] = "sRGB\0gAMA\0cHRM";

class Decoder {
 public:
  explicit Decoder(const PictureFile& file) : file_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, PngErrors::leave, PngErrors::on_warning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) fail_memory();
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Image decode();

 private:
  template <typename Body>
  void run(Body body) {
    if (!errors_.call(body)) refuse();
  }
  [[noreturn]] void refuse() const;
  [[noreturn]] void fail_memory() const {
    throw Error(Status::kMemory, file_.name + ": there is not enough memory to decode it");
  }
  static void read(png_structp png, png_bytep to, size_t wanted);
  void check_size(size_t bytes) const;
  void read_header();
  ColourProfile profile(const PngSigns& signs);
  int orientation(const PngSigns& signs);
  SampleLayout expand(bool keep_grey);
  void read_rows(PictureBuilder& builder, int passes);

  const PictureFile& file_;
  PngErrors errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  size_t at_ = 0;  // in the file
  bool past_end_ = false;
};

void Decoder::read(png_structp png, png_bytep to, size_t wanted) {
  auto* self = static_cast<Decoder*>(png_get_io_ptr(png));
  if (wanted > self->file_.size - self->at_) {
    self->past_end_ = true;
    png_error(png, "the file ends too soon");
  }
  std::memcpy(to, self->file_.data + self->at_, wanted);
  self->at_ += wanted;
}

void Decoder::refuse() const {
  const std::string reason = errors_.message();
  if (past_end_) file_.fail_truncated();
  if (reason.find("emory") != std::string::npos) fail_memory();  // "Out of memory", "Insufficient memory ..."
  file_.fail("is damaged, or of a kind that is not read (" + reason + ")");
}

/// Of the header, against what so many bytes can hold.
void Decoder::check_size(size_t bytes) const {
  // Behind the signature: length, "IHDR", width, height, depth, kind of colour. libpng would pass over chunks
  // before it, and so over this check.
  if (file_.size < 26) file_.fail_truncated();
  if (std::memcmp(file_.data + 12, "IHDR", 4) != 0) file_.fail("is damaged: a PNG begins with its header");
  constexpr int kChannels[] = {1, 1, 3, 1, 2, 1, 4};
  const double bits = std::max(1, file_.data[24] * kChannels[std::min<int>(file_.data[25], 6)]);
  file_.check_size(big_endian32(file_.data + 20), big_endian32(file_.data + 16),
                   static_cast<double>(bytes) * kMostBytesPerByte * 8 / bits);
}

void Decoder::read_header() {
  run([this] {
    png_set_read_fn(png_, this, read);
    png_set_benign_errors(png_, 1);
    png_set_chunk_cache_max(png_, kMostCachedChunks);
    // png_signs() reads them; libpng would drop a sound profile because of them.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kOtherColours, 3);
    png_read_info(png_, info_);
  });
}

ColourProfile Decoder::profile(const PngSigns& signs) {
  if (signs.overrides || !signs.has_icc) return signs.colours;
  png_charp name = nullptr;
  png_bytep data = nullptr;
  png_uint_32 size = 0;
  int compression = 0;
  if (signs.icc_intact) png_get_iCCP(png_, info_, &name, &compression, &data, &size);
  return embedded_profile(file_, data, size);
}

/// Of eXIf, or of a text in which ImageMagick keeps EXIF data: "\nexif\n", their length, and bytes in
/// hexadecimal.
int Decoder::orientation(const PngSigns& signs) {
  if (signs.orientation != 0) return signs.orientation;
  png_textp texts = nullptr;
  const int count = png_get_text(png_, info_, &texts, nullptr);
  for (int i = 0; i < count; ++i) {
    const std::string keyword = texts[i].key;
    if (keyword != "Raw profile type exif" && keyword != "Raw profile type APP1") continue;
    const std::string text(texts[i].text, texts[i].text_length);
    size_t at = 0;
    for (int line = 0; line < 3; ++line)
      at = text.find('\n', at) == text.npos ? text.size() : text.find('\n', at) + 1;
    std::string bytes;
    int high = -1;
    for (; at < text.size(); ++at) {
      const auto c = static_cast<unsigned char>(text[at]);
      if (!std::isxdigit(c)) continue;
      const int digit = std::isdigit(c) ? c - '0' : std::tolower(c) - 'a' + 10;
      if (high >= 0) bytes += static_cast<char>(high << 4 | digit);
      high = high >= 0 ? -1 : digit;
    }
    const int found = orientation_in_exif(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (found != 0) return found;
  }
  return 1;
}

/// Asks for samples of 8 or 16 bits, grey or RGB, with alpha where there is any transparency.
SampleLayout Decoder::expand(bool keep_grey) {
  run([&] {
    png_set_expand(png_);
    if (!keep_grey) png_set_gray_to_rgb(png_);
    const uint16_t one = 1;
    if (reinterpret_cast<const uint8_t*>(&one)[0] == 1) png_set_swap(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  });
  return {png_get_channels(png_, info_), png_get_bit_depth(png_, info_) / 8};
}

void Decoder::read_rows(PictureBuilder& builder, int passes) {
  const size_t bytes = png_get_rowbytes(png_, info_), h = png_get_image_height(png_, info_);
  std::vector<uint8_t> rows(bytes *
                            (passes > 1 ? h : 1));  // an interlaced picture is whole after its last pass
  for (int pass = 1; pass <= passes; ++pass) {
    for (size_t row = 0; row < h; ++row) {
      uint8_t* to = &rows[passes > 1 ? row * bytes : 0];
      run([&] { png_read_row(png_, to, nullptr); });
      if (pass == passes) builder.add_row(to);
    }
  }
}

Image Decoder::decode() {
  check_size(file_.size);
  const PngSigns signs = png_signs(file_);  // before libpng, which would take the memory that a chunk states
  if (signs.pixel_bytes == 0) file_.fail("is damaged (it holds no pixels)");
  check_size(signs.pixel_bytes);
  read_header();
  if (signs.animated) file_.note("is animated; its first picture is taken");
  const ColourProfile colours = profile(signs);
  const SampleLayout layout = expand(!colours || colours.is_grey());
  const int h = static_cast<int>(png_get_image_height(png_, info_)),
            w = static_cast<int>(png_get_image_width(png_, info_));
  const int passes =
      png_get_interlace_type(png_, info_) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
  const int64_t whole = passes > 1 ? static_cast<int64_t>(png_get_rowbytes(png_, info_)) * h : 0;
  PictureBuilder builder(file_, {h, w, layout, orientation(signs), whole}, colours);
  read_rows(builder, passes);
  run([this] { png_read_end(png_, nullptr); });
  return builder.finish();
}

}  // namespace

Image decode_png(const PictureFile& file) { return Decoder(file).decode(); }

}  // namespace swag
