// Picture files made byte by byte or by the libraries, and what the tests ask of a decoded picture.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "src/codecs/decode.h"
#include "src/image/image.h"
#include "tests/weights/weight_files.h"

namespace swag::test {

Image decode(const std::string& bytes, const SizeRule& wanted = original_size(),
             std::vector<std::string>* notes = nullptr);

/// "3: in: ..." or "".
std::string error_of(const std::string& bytes, const std::string& name = "in");

/// What is noted of a file that is read, lines joined.
std::string notes_of(const std::string& bytes);

std::string big_endian(uint32_t value);
std::string little_endian(uint32_t value, int bytes);

/// With its right sum.
std::string png_chunk(const std::string& type, const std::string& data);
std::string png_header(uint32_t w, uint32_t h, char depth, char colour, char interlace = 0);

/// A PNG whose rows (each with its filter byte, 65535 bytes at most) lie in one stored deflate block;
/// `chunks` come between header and pixels.
std::string png(uint32_t w, uint32_t h, char depth, char colour, const std::string& rows,
                const std::string& chunks = "");

/// zlib's form of `data` (65535 bytes at most), stored.
std::string zlib_stored(const std::string& data);

/// Grey 3 x 2: "abc" over "def"; and the grey values of a picture as such letters.
std::string letters_png(const std::string& chunks = "");
std::string letters(const Image& image);

/// EXIF data of one entry for the orientation, with the TIFF type 1 (BYTE), 3 (SHORT) or 4 (LONG), behind
/// another one.
std::string tiff(bool little, int orientation, int type = 3, int padding = 0);

struct JpegOptions {
  int channels = 3;  // 1 grey, 3 RGB, 4 CMYK as it is stored
  int quality = 100;
  bool progressive = false, arithmetic = false, adobe = true, ycck = false, subsampled = false;
  int restart_interval = 0;
  bool one_component_a_scan = false;
};
/// pixels: (h, w, channels).
std::string jpeg(const std::vector<uint8_t>& pixels, int h, int w, const JpegOptions& options = {});

/// A JPEG of one colour.
std::string flat_jpeg(const std::vector<uint8_t>& colour, int h = 16, int w = 16, JpegOptions options = {});

/// Behind the start marker: an APPn segment.
std::string with_segment(const std::string& jpeg, int marker, const std::string& data);

/// ICC profiles as bytes: of a space of primaries and a gamma; of grey; of inks, where cyan and black make
/// grey of lightness 100 (1 - c)(1 - k) and the others nothing.
std::string rgb_icc(const double (&white)[2], const double (&primaries)[3][2], double gamma);
std::string srgb_icc();
std::string grey_icc(double gamma);
std::string cmyk_icc();

/// The profile with a tag of multi-process elements (D2B0) besides, which makes everything black.
std::string with_black_elements(const std::string& icc);
std::string with_icc(const std::string& jpeg, const std::string& icc, int segments = 1);

constexpr double kD65[2] = {0.3127, 0.3290};
constexpr double kSrgb[3][2] = {{0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}};
constexpr double kDisplayP3[3][2] = {{0.68, 0.32}, {0.265, 0.69}, {0.15, 0.06}};
constexpr double kAdobeRgb[3][2] = {{0.64, 0.33}, {0.21, 0.71}, {0.15, 0.06}};

/// The formulas: values of [0, 255] of a space, as sRGB of [0, 255]. A gamma of 0 stands for sRGB's own
/// curve.
std::vector<double> to_srgb(const double (&primaries)[3][2], double gamma, const std::vector<double>& values);

void check_pixel(const Image& image, size_t pixel, double r, double g, double b, double tolerance = 1.01);
void check_pixel(const Image& image, size_t pixel, const std::vector<double>& rgb, double tolerance);

/// Smooth, so that no coding loses much of it; of 8 bits, (h, w, channels).
std::vector<uint8_t> smooth_pixels(int h, int w, int channels);

}  // namespace swag::test
