#include "tests/codecs/picture_files.h"

#include <jpeglib.h>
#include <lcms2.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "src/codecs/chunks.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

const uint8_t* bytes_of(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

std::string saved_profile(cmsHPROFILE handle) {
  const std::unique_ptr<void, int (*)(void*)> profile(handle, cmsCloseProfile);
  cmsUInt32Number size = 0;
  REQUIRE(cmsSaveProfileToMem(profile.get(), nullptr, &size));
  std::string bytes(size, '\0');
  REQUIRE(cmsSaveProfileToMem(profile.get(), bytes.data(), &size));
  return bytes;
}

struct Matrix {
  double m[3][3];

  std::vector<double> times(const std::vector<double>& v) const {
    std::vector<double> result(3);
    for (int i = 0; i < 3; ++i) result[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
    return result;
  }
  Matrix inverse() const {
    const auto minor = [&](int r, int c) {
      const int r0 = (r + 1) % 3, r1 = (r + 2) % 3, c0 = (c + 1) % 3, c1 = (c + 2) % 3;
      return m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0];
    };
    const double determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
    Matrix result{};
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) result.m[r][c] = minor(c, r) / determinant;
    }
    return result;
  }
};

std::vector<double> xyz(double x, double y) { return {x / y, 1, (1 - x - y) / y}; }

/// Light to CIE XYZ, white (of D65) to its own.
Matrix to_xyz(const double (&primaries)[3][2]) {
  Matrix matrix{};
  for (int c = 0; c < 3; ++c) {
    const std::vector<double> primary = xyz(primaries[c][0], primaries[c][1]);
    for (int i = 0; i < 3; ++i) matrix.m[i][c] = primary[i];
  }
  const std::vector<double> scale = matrix.inverse().times(xyz(kD65[0], kD65[1]));
  for (auto& row : matrix.m) {
    for (int c = 0; c < 3; ++c) row[c] *= scale[c];
  }
  return matrix;
}

void set_up(jpeg_compress_struct& info, const JpegOptions& options) {
  info.input_components = options.channels;
  info.in_color_space = options.channels == 1 ? JCS_GRAYSCALE : options.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (options.ycck) jpeg_set_colorspace(&info, JCS_YCCK);
  jpeg_set_quality(&info, options.quality, TRUE);
  info.arith_code = options.arithmetic;
  info.optimize_coding = !options.arithmetic;
  info.restart_interval = static_cast<unsigned>(options.restart_interval);
  info.write_Adobe_marker = options.adobe && options.channels == 4;
  if (!options.subsampled) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (options.ycck && !options.subsampled)
    info.comp_info[3].h_samp_factor = info.comp_info[3].v_samp_factor = 1;
  if (options.progressive) jpeg_simple_progression(&info);
}

}  // namespace

Image decode(const std::string& bytes, const SizeRule& wanted, std::vector<std::string>* notes) {
  return decode_image(bytes.data(), bytes.size(), "in", wanted, notes);
}

std::string error_of(const std::string& bytes, const std::string& name) {
  return error_text([&] { decode_image(bytes.data(), bytes.size(), name); });
}

std::string notes_of(const std::string& bytes) {
  std::vector<std::string> notes;
  decode(bytes, original_size(), &notes);
  std::string text;
  for (const std::string& note : notes) text += (text.empty() ? "" : "\n") + note;
  return text;
}

std::string big_endian(uint32_t value) {
  const std::string little = little_endian(value, 4);
  return {little.rbegin(), little.rend()};
}

std::string little_endian(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  return big_endian(static_cast<uint32_t>(data.size())) + body +
         big_endian(crc32(bytes_of(body), body.size()));
}

std::string png_header(uint32_t w, uint32_t h, char depth, char colour, char interlace) {
  return "\x89PNG\r\n\x1a\n" +
         png_chunk("IHDR", big_endian(w) + big_endian(h) + depth + colour + "\0\0"s + interlace);
}

std::string zlib_stored(const std::string& data) {
  uint32_t a = 1, b = 0;  // Adler-32
  for (const char c : data) {
    a = (a + static_cast<uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const auto size = static_cast<uint32_t>(data.size());
  return "\x78\x01\x01"s + little_endian(size, 2) + little_endian(~size, 2) + data + big_endian(b << 16 | a);
}

std::string png(uint32_t w, uint32_t h, char depth, char colour, const std::string& rows,
                const std::string& chunks) {
  return png_header(w, h, depth, colour) + chunks + png_chunk("IDAT", zlib_stored(rows)) +
         png_chunk("IEND", "");
}

std::string letters_png(const std::string& chunks) { return png(3, 2, 8, 0, "\0abc\0def"s, chunks); }

std::string letters(const Image& image) {
  std::string text;
  for (int row = 0; row < image.h; ++row) {
    for (int col = 0; col < image.w; ++col) {
      text += static_cast<char>(std::lround(image.rgb[(static_cast<size_t>(row) * image.w + col) * 3] * 255));
    }
    text += row + 1 < image.h ? "/" : "";
  }
  return text;
}

std::string tiff(bool little, int orientation, int type, int padding) {
  const auto number = [&](int value, int bytes) {
    const std::string text = little_endian(static_cast<uint32_t>(value), bytes);
    return little ? text : std::string(text.rbegin(), text.rend());
  };
  const auto entry = [&](int tag, int kind, int value) {
    const std::string stored = number(value, kind == 3 ? 2 : kind == 4 ? 4 : 1);
    return number(tag, 2) + number(kind, 2) + number(1, 4) + stored + std::string(4 - stored.size(), '\0');
  };
  return (little ? "II*\0"s : "MM\0*"s) + number(8 + padding, 4) + std::string(padding, '\x55') +
         number(2, 2) + entry(0x010f, 3, 5) + entry(0x0112, type, orientation) + number(0, 4);
}

std::string jpeg(const std::vector<uint8_t>& pixels, int h, int w, const JpegOptions& options) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);  // ends the program, which is well enough for a test
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;  // NOLINT: libjpeg's type
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(w);
  info.image_height = static_cast<JDIMENSION>(h);
  set_up(info, options);
  jpeg_scan_info scans[4] = {};
  if (options.one_component_a_scan) {
    for (int i = 0; i < options.channels; ++i) scans[i] = {1, {i, 0, 0, 0}, 0, 63, 0, 0};
    info.scan_info = scans;
    info.num_scans = options.channels;
  }
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<uint8_t*>(&pixels[size_t{info.next_scanline} * w * options.channels]);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  const std::string file(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return file;
}

std::string flat_jpeg(const std::vector<uint8_t>& colour, int h, int w, JpegOptions options) {
  options.channels = static_cast<int>(colour.size());
  std::vector<uint8_t> pixels;
  for (int i = 0; i < h * w; ++i) pixels.insert(pixels.end(), colour.begin(), colour.end());
  return jpeg(pixels, h, w, options);
}

std::string with_segment(const std::string& jpeg, int marker, const std::string& data) {
  const auto length = static_cast<uint32_t>(data.size() + 2);
  return std::string(jpeg).insert(2, "\xff"s + static_cast<char>(marker) + static_cast<char>(length >> 8) +
                                         static_cast<char>(length & 0xff) + data);
}

std::string rgb_icc(const double (&white)[2], const double (&primaries)[3][2], double gamma) {
  const cmsCIExyY point = {white[0], white[1], 1};
  const cmsCIExyYTRIPLE colours = {{primaries[0][0], primaries[0][1], 1},
                                   {primaries[1][0], primaries[1][1], 1},
                                   {primaries[2][0], primaries[2][1], 1}};
  cmsToneCurve* curve = cmsBuildGamma(nullptr, gamma);
  cmsToneCurve* curves[] = {curve, curve, curve};
  const std::string bytes = saved_profile(cmsCreateRGBProfile(&point, &colours, curves));
  cmsFreeToneCurve(curve);
  return bytes;
}

std::string srgb_icc() { return saved_profile(cmsCreate_sRGBProfile()); }

std::string with_black_elements(const std::string& icc) {
  const cmsHPROFILE profile = cmsOpenProfileFromMem(icc.data(), static_cast<cmsUInt32Number>(icc.size()));
  const double black[9] = {};
  cmsPipeline* pipeline = cmsPipelineAlloc(nullptr, 3, 3);
  REQUIRE(cmsPipelineInsertStage(pipeline, cmsAT_END, cmsStageAllocMatrix(nullptr, 3, 3, black, nullptr)));
  REQUIRE(cmsWriteTag(profile, cmsSigDToB0Tag, pipeline));
  cmsPipelineFree(pipeline);
  return saved_profile(profile);
}

std::string grey_icc(double gamma) {
  const cmsCIExyY white = {kD65[0], kD65[1], 1};
  cmsToneCurve* curve = cmsBuildGamma(nullptr, gamma);
  const std::string bytes = saved_profile(cmsCreateGrayProfile(&white, curve));
  cmsFreeToneCurve(curve);
  return bytes;
}

std::string cmyk_icc() {
  const auto sample = [](const cmsUInt16Number in[], cmsUInt16Number out[], void*) -> cmsInt32Number {
    out[0] = static_cast<cmsUInt16Number>((65535.0 - in[0]) * (65535.0 - in[3]) / 65535.0 * 0xff00 / 65535);
    out[1] = out[2] = 0x8000;  // Lab as the second version of ICC has it in 16 bits
    return TRUE;
  };
  const cmsHPROFILE profile = cmsCreateProfilePlaceholder(nullptr);
  cmsSetProfileVersion(profile, 2.1);
  cmsSetDeviceClass(profile, cmsSigOutputClass);
  cmsSetColorSpace(profile, cmsSigCmykData);
  cmsSetPCS(profile, cmsSigLabData);
  cmsPipeline* pipeline = cmsPipelineAlloc(nullptr, 4, 3);
  cmsStage* table = cmsStageAllocCLut16bit(nullptr, 9, 4, 3, nullptr);
  REQUIRE(cmsStageSampleCLut16bit(table, sample, nullptr, 0));
  cmsPipelineInsertStage(pipeline, cmsAT_END, table);
  REQUIRE(cmsWriteTag(profile, cmsSigAToB0Tag, pipeline));
  cmsPipelineFree(pipeline);
  return saved_profile(profile);
}

std::string with_icc(const std::string& jpeg, const std::string& icc, int segments) {
  std::string file = jpeg;
  const size_t part = (icc.size() + segments - 1) / segments;
  for (int i = 0; i < segments; ++i) {  // each goes before the last: the order is reversed
    file = with_segment(file, 0xe2,
                        "ICC_PROFILE\0"s + static_cast<char>(i + 1) + static_cast<char>(segments) +
                            icc.substr(i * part, part));
  }
  return file;
}

std::vector<double> to_srgb(const double (&primaries)[3][2], double gamma,
                            const std::vector<double>& values) {
  std::vector<double> light;
  for (const double value : values) {
    const double x = value / 255, own = x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
    light.push_back(gamma == 0 ? own : std::pow(x, gamma));
  }
  std::vector<double> result = to_xyz(kSrgb).inverse().times(to_xyz(primaries).times(light));
  for (double& value : result) {
    value = std::min(1.0, std::max(0.0, value));
    value = 255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * std::pow(value, 1 / 2.4) - 0.055);
  }
  return result;
}

void check_pixel(const Image& image, size_t pixel, double r, double g, double b, double tolerance) {
  check_pixel(image, pixel, std::vector<double>{r, g, b}, tolerance);
}

void check_pixel(const Image& image, size_t pixel, const std::vector<double>& rgb, double tolerance) {
  for (size_t c = 0; c < 3; ++c) {
    const double value = image.rgb.at(pixel * 3 + c) * 255.0;
    CAPTURE(c);
    CAPTURE(value);
    CAPTURE(rgb[c]);
    const bool close = std::abs(value - rgb[c]) <= tolerance;
    CHECK(close);
  }
}

std::vector<uint8_t> smooth_pixels(int h, int w, int channels) {
  std::vector<uint8_t> pixels;
  for (int row = 0; row < h; ++row) {
    for (int col = 0; col < w; ++col) {
      for (int c = 0; c < channels; ++c) {
        const double phase = c + 3.0 * row / h + (c % 2 == 0 ? 2.0 : -2.0) * col / w;
        pixels.push_back(static_cast<uint8_t>(std::lround(128 + 100 * std::sin(phase))));
      }
    }
  }
  return pixels;
}

}  // namespace swag::test
