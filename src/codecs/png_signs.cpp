#include <algorithm>
#include <optional>

#include "src/codecs/chunks.h"
#include "src/codecs/exif.h"
#include "src/codecs/png.h"

namespace swag {
namespace {

/// The numbers of ITU-T H.273 that cICP uses.
std::optional<Chromaticities> primaries_of(int number) {
  switch (number) {
    case 1: return kSrgbChromaticities;
    case 4: return Chromaticities{{0.310, 0.316}, {0.67, 0.33}, {0.21, 0.71}, {0.14, 0.08}};
    case 5: return Chromaticities{{0.3127, 0.3290}, {0.64, 0.33}, {0.29, 0.60}, {0.15, 0.06}};
    case 6:
    case 7: return Chromaticities{{0.3127, 0.3290}, {0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}};
    case 9: return Chromaticities{{0.3127, 0.3290}, {0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}};
    case 11: return Chromaticities{{0.314, 0.351}, {0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}};
    case 12: return Chromaticities{{0.3127, 0.3290}, {0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}};
    default: return std::nullopt;
  }
}

std::optional<ToneCurve> transfer_of(int number) {
  switch (number) {
    case 1:
    case 6:
    case 14:
    case 15: return ToneCurve{1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081};
    case 4: return ToneCurve::power(2.2);
    case 5: return ToneCurve::power(2.8);
    case 8: return ToneCurve::power(1);
    case 13: return ToneCurve();
    default: return std::nullopt;
  }
}

/// Refuses what would look wrong on any screen that shows sRGB.
ColourProfile cicp_profile(const PictureFile& file, const uint8_t* data) {
  const int primaries = data[0], transfer = data[1], matrix = data[2], full_range = data[3];
  if (transfer == 16 || transfer == 18) {
    file.fail(std::string("is an HDR picture (") + (transfer == 16 ? "PQ" : "HLG") +
              "), which is not read; export it as an SDR picture first");
  }
  const auto space = primaries_of(primaries);
  const auto curve = transfer_of(transfer);
  if (space && curve && matrix == 0 && full_range == 1) return ColourProfile::rgb(*space, *curve);
  file.note("its colours (cICP " + std::to_string(primaries) + " " + std::to_string(transfer) + " " +
            std::to_string(matrix) + " " + std::to_string(full_range) + ") are not known; sRGB is assumed");
  return {};
}

/// gAMA: 100000 / gamma; cHRM: 100000 times x, y of white, red, green, blue. Either may be missing.
ColourProfile gamma_profile(const PictureFile& file, const uint8_t* gama, const uint8_t* chrm) {
  ToneCurve curve;
  if (gama != nullptr) {
    const double exponent = big_endian32(gama) / 1e5;
    if (!(exponent >= 0.02 && exponent <= 50)) {
      file.note("its gamma is beyond reason; sRGB is assumed");
      return {};
    }
    // Programs write 1 / 2.2 for want of a better word for sRGB, and mean sRGB.
    if (!(exponent > 0.45 && exponent < 0.46)) curve = ToneCurve::power(1 / exponent);
  }
  if (chrm == nullptr) return ColourProfile::rgb(kSrgbChromaticities, curve);
  double xy[8];
  for (int i = 0; i < 8; ++i) xy[i] = big_endian32(chrm + 4 * i) / 1e5;
  const bool possible = std::all_of(xy, xy + 8, [](double value) { return value <= 1; }) && xy[1] > 0.01;
  const ColourProfile profile =
      possible ? ColourProfile::rgb({{xy[0], xy[1]}, {xy[2], xy[3]}, {xy[4], xy[5]}, {xy[6], xy[7]}}, curve)
               : ColourProfile();
  if (!profile) file.note("its primary colours are beyond reason; sRGB is assumed");
  return profile;
}

/// PNG has its sum behind the data, over the type before them too.
bool is_intact(const uint8_t* data, size_t length) {
  return crc32(data - 4, length + 4) == big_endian32(data + length);
}

}  // namespace

PngSigns png_signs(const PictureFile& file) {
  PngSigns signs;
  const uint8_t *cicp = nullptr, *gama = nullptr, *chrm = nullptr;
  bool srgb = false;
  const auto look = [&](const char* type, const uint8_t* data, size_t length) {
    const auto is = [&](const char* name, size_t needed) {
      return std::memcmp(type, name, 4) == 0 && length >= needed && is_intact(data, length);
    };
    if (std::memcmp(type, "IDAT", 4) == 0) {
      signs.pixel_bytes += length;
    } else if (is("cICP", 4)) {
      cicp = data;
    } else if (is("gAMA", 4)) {
      gama = data;
    } else if (is("cHRM", 32)) {
      chrm = data;
    } else if (is("sRGB", 1)) {
      srgb = true;
    } else if (is("acTL", 8)) {
      signs.animated |= big_endian32(data) > 1;
    } else if (is("eXIf", 8)) {
      signs.orientation = orientation_in_exif(data, length);
    } else if (std::memcmp(type, "iCCP", 4) == 0) {
      signs.has_icc = true;
      signs.icc_intact = is_intact(data, length);
    } else if (std::memcmp(type, "tRNS", 4) == 0 && !is_intact(data, length)) {
      file.note("its transparency is damaged; it is taken for opaque");
    }
  };
  if (!for_each_png_chunk(file.data, file.size, look)) file.fail_truncated();
  // The order of precedence of the third edition of the PNG specification.
  signs.overrides = cicp != nullptr;
  if (cicp != nullptr) {
    signs.colours = cicp_profile(file, cicp);
  } else if (!srgb && !signs.has_icc && (gama != nullptr || chrm != nullptr)) {
    signs.colours = gamma_profile(file, gama, chrm);
  }
  return signs;
}

}  // namespace swag
