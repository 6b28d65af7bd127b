// Colour profiles, by Little CMS: what a file says of its colours, and the way from there to sRGB.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace swag {

/// How the samples of a row lie, channels innermost: grey, grey and alpha, RGB, RGBA, or CMYK (ink: 0 is
/// paper).
struct SampleLayout {
  int channels = 3;
  int bytes = 1;  // of a sample; two in the machine's own order
  bool cmyk = false;

  bool has_alpha() const { return !cmyk && channels % 2 == 0; }
  int colours() const { return has_alpha() ? channels - 1 : channels; }
};

/// Of a space of three primaries: CIE x, y of white, red, green, blue.
struct Chromaticities {
  double white[2], red[2], green[2], blue[2];
};
constexpr Chromaticities kSrgbChromaticities = {{0.3127, 0.3290}, {0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}};
constexpr Chromaticities kAdobeRgbChromaticities = {
    {0.3127, 0.3290}, {0.64, 0.33}, {0.21, 0.71}, {0.15, 0.06}};
constexpr double kAdobeRgbGamma = 2.19921875;

/// From sample to light: a power; or piecewise, a power of (a x + b) from d on and c x below (ICC's type 3).
struct ToneCurve {
  double gamma = 2.4, a = 1 / 1.055, b = 0.055 / 1.055, c = 1 / 12.92, d = 0.04045;  // sRGB

  static ToneCurve power(double gamma) { return {gamma, 1, 0, 0, 0}; }
};

class ColourProfile {
 public:
  /// None: the picture is taken for sRGB.
  ColourProfile() = default;

  /// None, too, where the bytes are no profile of RGB, grey or CMYK.
  static ColourProfile from_icc(const void* data, size_t size);
  static ColourProfile rgb(const Chromaticities& space, const ToneCurve& curve);

  explicit operator bool() const { return handle_ != nullptr; }
  bool is_grey() const;

 private:
  friend class ColourTransform;
  explicit ColourProfile(void* handle);
  std::shared_ptr<void> handle_;
};

/// To sRGB of 16 bits: perceptual, with black point compensation, as browsers do. Alpha stays.
class ColourTransform {
 public:
  /// None where the profile is sRGB itself, within what 8 bits can tell. Sets `usable` to false, and gives
  /// none, for a profile that is damaged or not for samples of this kind.
  static std::unique_ptr<ColourTransform> to_srgb(const ColourProfile& profile, const SampleLayout& layout,
                                                  bool& usable);

  /// in: (pixels, channels) of the layout; out: (pixels, 3), or (pixels, 4) with alpha.
  void apply(const void* in, uint16_t* out, int pixels) const;

 private:
  explicit ColourTransform(void* handle);
  std::shared_ptr<void> handle_;
};

}  // namespace swag
