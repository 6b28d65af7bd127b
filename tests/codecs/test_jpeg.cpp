// JPEG: which files are read, and what becomes of damaged ones.
#include <doctest/doctest.h>

#include "tests/codecs/picture_files.h"
#include "tests/helpers.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

/// The worst difference to the pixels that were encoded, of 255.
double worst(const Image& image, const std::vector<uint8_t>& pixels, int channels) {
  double result = 0;
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    const uint8_t value = pixels[channels == 1 ? i / 3 : i];
    result = std::max(result, std::abs(image.rgb[i] * 255.0 - value));
  }
  return result;
}

std::string tests_file(const std::string& name) {
  return read_text(std::string(SWAG_SOURCE_DIR) + "/tests/codecs/files/" + name);
}

const std::string kTruncated = "3: in: is truncated; copy or download it again";

}  // namespace

TEST_CASE(
    "decode reads JPEG sequential, progressive, arithmetic, grey, with restarts, in one scan or several") {
  for (const int channels : {1, 3}) {
    for (int kind = 0; kind < 6; ++kind) {
      CAPTURE(channels);
      CAPTURE(kind);
      JpegOptions options;
      options.channels = channels;
      options.progressive = kind == 1 || kind == 3;
      options.arithmetic = kind == 2 || kind == 3;
      options.restart_interval = kind == 4 ? 3 : 0;
      options.one_component_a_scan = kind == 5;
      const std::vector<uint8_t> pixels = smooth_pixels(21, 37, channels);
      const Image image = decode(jpeg(pixels, 21, 37, options));
      REQUIRE(image.h == 21);
      REQUIRE(image.w == 37);
      CHECK(worst(image, pixels, channels) <= 3.5);
    }
  }
}

TEST_CASE("decode takes CMYK for inverted, with Adobe's marker or without") {
  for (const bool adobe : {false, true}) {
    for (const bool ycck : {false, true}) {
      if (ycck && !adobe) continue;  // nothing would tell it from CMYK
      JpegOptions options;
      options.adobe = adobe;
      options.ycck = ycck;
      // 255 is no ink: red and half black.
      const Image image = decode(flat_jpeg({255, 51, 102, 128}, 16, 16, options));
      check_pixel(image, 100, 128, 51 * 128 / 255.0, 102 * 128 / 255.0, 2.1);
    }
  }
}

TEST_CASE("a JPEG without its end marker is read if it lacks nothing else") {
  for (const bool progressive : {false, true}) {
    for (const bool arithmetic : {false, true}) {
      CAPTURE(progressive);
      CAPTURE(arithmetic);
      JpegOptions options;
      options.progressive = progressive;
      options.arithmetic = arithmetic;
      const std::string file = jpeg(smooth_pixels(16, 24, 3), 16, 24, options);
      const std::string cut = file.substr(0, file.size() - 2);
      if (arithmetic) {
        CHECK(error_of(cut) == kTruncated);  // where its data end cannot be told
      } else {
        REQUIRE(error_of(cut) == "");
        CHECK(decode(cut).rgb == decode(file).rgb);
      }
    }
  }
}

TEST_CASE("every truncation of a JPEG of any kind is noticed") {
  for (int kind = 0; kind < 4; ++kind) {
    CAPTURE(kind);
    JpegOptions options;
    options.progressive = kind == 1;
    options.arithmetic = kind == 2;
    options.one_component_a_scan = kind == 3;
    const std::string file = jpeg(smooth_pixels(16, 24, 3), 16, 24, options);
    for (size_t size = 0; size < file.size() - 2; ++size) {
      CAPTURE(size);
      CHECK(error_of(file.substr(0, size)).substr(0, 3) == "3: ");
    }
  }
}

TEST_CASE("a JPEG with bytes that belong to none of its parts is read, and says so") {
  std::string file = jpeg(smooth_pixels(16, 24, 3), 16, 24);
  CHECK(notes_of(file) == "");
  file.insert(file.size() - 2, "some bytes");
  CHECK(notes_of(file) == "in: holds data between its parts; it may be damaged");
}

TEST_CASE("an arithmetic JPEG may be flat, but not of any size for some bytes") {
  JpegOptions options;
  options.arithmetic = true;
  std::string file = flat_jpeg({10, 20, 30}, 16, 16, options);
  REQUIRE(error_of(file) == "");
  const size_t frame = file.find("\xff\xc9");
  REQUIRE(frame != std::string::npos);
  file.replace(frame + 5, 4, "\x40\x00\x40\x00"s);
  CHECK(error_of(file).find("states a size of 16384x16384 pixels, more than its ") != std::string::npos);
}

TEST_CASE("a JPEG that lacks scans but has an end marker is damaged, not grey") {
  JpegOptions options;
  options.one_component_a_scan = true;
  const std::string file = jpeg(smooth_pixels(16, 24, 3), 16, 24, options);
  const size_t last_scan = file.rfind("\xff\xda");
  CHECK(error_of(file.substr(0, last_scan) + "\xff\xd9").find("is damaged") != std::string::npos);
}

TEST_CASE("JPEG data that libjpeg would paint over are refused") {
  const std::string file = jpeg(smooth_pixels(64, 64, 3), 64, 64);
  const size_t scan = file.rfind("\xff\xda") + 14;
  std::string ones = file;
  for (size_t i = scan + 20; i + 4 < ones.size(); i += 2) ones.replace(i, 2, "\xff\0"s);
  CHECK(error_of(ones).find("is damaged") != std::string::npos);
  std::string early = file;
  early.replace(scan + 50, 2, "\xff\xd9");
  CHECK(error_of(early).find("is damaged") != std::string::npos);
}

TEST_CASE("a JPEG without Huffman tables has the usual ones, as Motion JPEG") {
  const Image image = decode(tests_file("no_huffman_tables.jpg"));
  CHECK(image.w == 24);
  CHECK(image.h == 18);
}

TEST_CASE("Huffman tables that lie are no crash") {
  CHECK(error_of(tests_file("huffman_beyond_end.jpg")).substr(0, 3) == "3: ");
  CHECK(error_of(tests_file("prefix_ff.jpg")).find("is not a picture that can be read") != std::string::npos);
  const std::string with_256_symbols = tests_file("huffman_256_symbols.jpg");
  CHECK(decode(with_256_symbols).w == 16);
  for (size_t i = 0; i < with_256_symbols.size(); ++i) {
    std::string damaged = with_256_symbols;
    damaged[i] = '\xff';
    const std::string error = error_of(damaged);
    CHECK((error == "" || error.substr(0, 3) == "3: "));
  }
}

TEST_CASE("a JPEG that states more pixels than its bytes can hold is refused by its header") {
  std::string file = jpeg(smooth_pixels(16, 16, 1), 16, 16, {1});
  const size_t frame = file.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  file.replace(frame + 5, 4, "\x40\0\x40\0"s);
  CHECK(error_of(file).find("states a size of 16384x16384 pixels, more than its ") != std::string::npos);
}

TEST_CASE("a flat JPEG is not taken for one that lies about its size") {
  for (const bool progressive : {false, true}) {
    for (const int channels : {1, 3}) {
      JpegOptions options;
      options.progressive = progressive;
      options.quality = 1;
      options.subsampled = true;
      CHECK(error_of(flat_jpeg(std::vector<uint8_t>(channels, 128), 2000, 3000, options)) == "");
    }
  }
}

TEST_CASE("a JPEG of hundreds of scans is refused") {
  JpegOptions options;
  options.channels = 1;
  options.progressive = true;
  const std::string file = jpeg(smooth_pixels(16, 16, 1), 16, 16, options);
  const size_t last = file.rfind("\xff\xda");
  std::string scans;
  for (int i = 0; i < 600; ++i) scans += file.substr(last, file.size() - 2 - last);
  const std::string many = std::string(file).insert(last, scans);
  CHECK(error_of(many).find("scans; at most 500 are read") != std::string::npos);
  // libjpeg reads on behind a segment that is shorter than its length.
  CHECK(error_of(std::string(many).insert(last, "\xff\xfe\0\0"s)).find("scans; at most 500 are read") !=
        std::string::npos);
  std::string large = std::string(file).insert(last, scans.substr(0, scans.size() / 6));
  const size_t frame = large.find("\xff\xc2") + 5;
  large.replace(frame, 4, "\x40\0\x40\0"s);
  large += std::string(1 << 19, 'a');  // as many bytes as the size needs
  CHECK(error_of(large).find("scans; at most 20 are read") != std::string::npos);
}

TEST_CASE("JPEG of precisions and processes that are not read are refused in words") {
  std::string deep = jpeg(smooth_pixels(16, 16, 1), 16, 16, {1});
  const size_t frame = deep.find("\xff\xc0");
  deep[frame + 4] = 12;
  CHECK(
      error_of(deep).find("is damaged, or of a kind that is not read (Unsupported JPEG data precision 12)") !=
      std::string::npos);
  std::string lossless = jpeg(smooth_pixels(16, 16, 1), 16, 16, {1});
  lossless[frame + 1] = '\xc3';
  CHECK(error_of(lossless).find("of a kind that is not read") != std::string::npos);
}

}  // namespace swag::test
