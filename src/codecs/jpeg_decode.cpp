#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "src/codecs/chunks.h"
#include "src/codecs/exif.h"
#include "src/codecs/jpeg.h"
#include "src/codecs/jpeg_errors.h"
#include "src/codecs/picture_builder.h"
#include "src/support/error.h"
#include "src/support/printable.h"

// Its words are macros that need jpeglib.h.
#include <jerror.h>

namespace swag {
namespace {

// A block of 64 pixels takes a bit at least, of Huffman's codes.
constexpr double kMostPixelsPerByte = 512;
// Arithmetic coding gets by on some 200 bytes for a flat picture of any size; beyond 16 megapixels it must
// not.
constexpr double kMostFlatPixels = 1 << 24, kMostPixelsPerArithmeticByte = 1 << 12;
// Each goes through the whole picture, with as few as two bytes. Encoders write a dozen.
constexpr int64_t kMostScans = 500, kMostScansOfTheLargest = 20, kMostScannedPixels = int64_t{1} << 32;

/// The warnings behind which libjpeg paints pixels that are not in the file.
bool is_damage(int code) {
  return code == JWRN_HIT_MARKER || code == JWRN_JPEG_EOF || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC || code == JWRN_BOGUS_PROGRESSION;
}

/// The file as libjpeg's input; it notes when more is asked for than there is, and gives an end marker.
struct Input {
  jpeg_source_mgr manager{};
  bool past_end = false;

  Input(const uint8_t* data, size_t size) {
    manager.next_input_byte = data;
    manager.bytes_in_buffer = size;
    manager.init_source = [](j_decompress_ptr) {};
    manager.term_source = [](j_decompress_ptr) {};
    manager.resync_to_restart = jpeg_resync_to_restart;
    manager.fill_input_buffer = fill;
    manager.skip_input_data = skip;
  }
  static boolean fill(j_decompress_ptr info) {
    static constexpr JOCTET kEnd[] = {0xff, JPEG_EOI};
    auto* self = reinterpret_cast<Input*>(info->src);  // its first member
    self->past_end = true;
    self->manager.next_input_byte = kEnd;
    self->manager.bytes_in_buffer = sizeof kEnd;
    return TRUE;
  }
  static void skip(j_decompress_ptr info, long count) {  // NOLINT: libjpeg's type
    jpeg_source_mgr& manager = *info->src;
    if (count <= 0) return;
    if (static_cast<size_t>(count) > manager.bytes_in_buffer) {
      fill(info);
    } else {
      manager.next_input_byte += count;
      manager.bytes_in_buffer -= static_cast<size_t>(count);
    }
  }
};

/// What the segments tell before anything is decoded.
struct Scans {
  int count = 0;
  std::set<uint8_t> seen;  // the components that some scan has
  bool ended = false;      // by its marker
};

Scans scans_of(const PictureFile& file) {
  Scans scans;
  scans.ended =
      for_each_jpeg_segment(file.data, file.size, [&](uint8_t marker, const uint8_t* data, size_t length) {
        if (marker != 0xda || length < 1) return;
        ++scans.count;
        for (size_t i = 0; i < data[0] && 2 + 2 * i < length; ++i) scans.seen.insert(data[1 + 2 * i]);
      });
  return scans;
}

class Decoder {
 public:
  explicit Decoder(const PictureFile& file) : file_(file), errors_(is_damage), input_(file.data, file.size) {
    info_.err = errors_.manager();
    run([this] { jpeg_create_decompress(&info_); });
    info_.src = &input_.manager;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Image decode();

 private:
  template <typename Body>
  void run(Body body) {
    if (!errors_.call(body)) refuse();
  }
  [[noreturn]] void refuse() const;
  void read_header();
  ColourProfile profile();
  int64_t coefficient_bytes() const;
  void read_rows(PictureBuilder& builder);
  bool has_all_components(const Scans& scans) const;
  bool is_refined() const;
  void finish(const Scans& scans);

  const PictureFile& file_;
  JpegErrors errors_;
  Input input_;
  jpeg_decompress_struct info_{};
};

void Decoder::refuse() const {
  if (errors_.code() == JERR_OUT_OF_MEMORY) {
    throw Error(Status::kMemory, file_.name + ": there is not enough memory to decode it");
  }
  if (input_.past_end) file_.fail_truncated();
  const std::string reason = printable(errors_.message());
  if (is_damage(errors_.code())) file_.fail("is damaged (" + reason + "); copy or download it again");
  file_.fail("is damaged, or of a kind that is not read (" + reason + ")");
}

void Decoder::read_header() {
  run([this] { jpeg_save_markers(&info_, JPEG_APP0 + 2, 0xffff); });
  run([this] { jpeg_read_header(&info_, TRUE); });
  const auto bytes = static_cast<double>(file_.size);
  file_.check_size(info_.image_height, info_.image_width,
                   info_.arith_code ? std::max(kMostFlatPixels, bytes * kMostPixelsPerArithmeticByte)
                                    : bytes * kMostPixelsPerByte);
}

/// Of the ICC segments, or what the EXIF data say.
ColourProfile Decoder::profile() {
  bool has_icc = false;
  for (const jpeg_marker_struct* m = info_.marker_list; m != nullptr; m = m->next) {
    has_icc |= m->data_length >= 12 && std::memcmp(m->data, "ICC_PROFILE", 12) == 0;
  }
  if (!has_icc) {
    const bool adobe = exif_says_adobe_rgb(file_.data, file_.size);
    return adobe ? ColourProfile::rgb(kAdobeRgbChromaticities, ToneCurve::power(kAdobeRgbGamma))
                 : ColourProfile();
  }
  JOCTET* data = nullptr;
  unsigned size = 0;
  run([&] { jpeg_read_icc_profile(&info_, &data, &size); });  // null where a part is missing
  const std::unique_ptr<JOCTET, void (*)(void*)> owner(data, std::free);
  return embedded_profile(file_, data, size);
}

/// A picture of several scans is kept as a whole until the last one.
int64_t Decoder::coefficient_bytes() const {
  if (!jpeg_has_multiple_scans(const_cast<jpeg_decompress_struct*>(&info_))) return 0;
  int64_t blocks = 0;
  for (int i = 0; i < info_.num_components; ++i) {
    const jpeg_component_info& component = info_.comp_info[i];
    blocks += int64_t{component.width_in_blocks} * component.height_in_blocks;
  }
  return blocks * static_cast<int64_t>(sizeof(JBLOCK));
}

void Decoder::read_rows(PictureBuilder& builder) {
  const size_t samples = size_t{info_.output_width} * static_cast<size_t>(info_.output_components);
  std::vector<JSAMPLE> row(samples);
  JSAMPROW rows[] = {row.data()};
  // Inverted, as Adobe writes it: files without its marker are, too.
  const bool inverted = info_.out_color_space == JCS_CMYK;
  while (info_.output_scanline < info_.output_height) {
    run([&] { jpeg_read_scanlines(&info_, rows, 1); });
    if (inverted) {
      for (JSAMPLE& sample : row) sample = static_cast<JSAMPLE>(MAXJSAMPLE - sample);
    }
    builder.add_row(row.data());
  }
}

/// Whether every component has a scan: libjpeg does not mind.
bool Decoder::has_all_components(const Scans& scans) const {
  return std::all_of(info_.comp_info, info_.comp_info + info_.num_components,
                     [&](const jpeg_component_info& component) {
                       return scans.seen.count(static_cast<uint8_t>(component.component_id)) > 0;
                     });
}

/// Whether the scans of a progressive picture refined everything.
bool Decoder::is_refined() const {
  for (int i = 0; info_.coef_bits != nullptr && i < info_.num_components; ++i) {
    const int* bits = info_.coef_bits[i];
    if (std::any_of(bits, bits + DCTSIZE2, [](int left) { return left != 0; })) return false;
  }
  return true;
}

/// To the end marker, which a file may lack, if it lacks nothing else.
void Decoder::finish(const Scans& scans) {
  const bool all_components = has_all_components(scans), refined = is_refined();
  run([this] { jpeg_finish_decompress(&info_); });  // frees what these looked at
  // The decoder of arithmetic coding does not tell where the data end.
  if (input_.past_end && (!all_components || !refined || info_.arith_code)) file_.fail_truncated();
  if (errors_.warned(JWRN_EXTRANEOUS_DATA)) file_.note("holds data between its parts; it may be damaged");
  if (!all_components) file_.fail("is damaged (a part of its colours is missing); copy or download it again");
}

Image Decoder::decode() {
  read_header();
  const Scans scans = scans_of(file_);
  const int64_t most = std::clamp(kMostScannedPixels / (int64_t{info_.image_height} * info_.image_width),
                                  kMostScansOfTheLargest, kMostScans);
  if (scans.count > most) {
    file_.fail("has " + std::to_string(scans.count) + " scans; at most " + std::to_string(most) +
               " are read of a picture of this size");
  }
  if (info_.arith_code && !scans.ended) file_.fail_truncated();  // decoded, it would be flat to the end
  const ColourProfile colours = profile();
  SampleLayout layout;
  if (info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK) {
    info_.out_color_space = JCS_CMYK;
    layout = {4, 1, true};
  } else if (info_.jpeg_color_space == JCS_GRAYSCALE && (!colours || colours.is_grey())) {
    info_.out_color_space = JCS_GRAYSCALE;
    layout = {1, 1};
  } else {
    info_.out_color_space = JCS_RGB;
    layout = {3, 1};
  }
  PictureBuilder builder(file_,
                         {static_cast<int>(info_.image_height), static_cast<int>(info_.image_width), layout,
                          exif_orientation(file_.data, file_.size), coefficient_bytes()},
                         colours);
  run([this] { jpeg_start_decompress(&info_); });
  read_rows(builder);
  finish(scans);
  return builder.finish();
}

}  // namespace

Image decode_jpeg(const PictureFile& file) { return Decoder(file).decode(); }

}  // namespace swag
