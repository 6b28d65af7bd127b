#include "src/codecs/colour.h"

#include <lcms2.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "src/codecs/chunks.h"

namespace swag {
namespace {

constexpr cmsUInt32Number kFlags = cmsFLAGS_BLACKPOINTCOMPENSATION | cmsFLAGS_COPY_ALPHA;

std::shared_ptr<void> owned_transform(cmsHTRANSFORM handle) {
  return {handle, [](void* transform) {
            if (transform != nullptr) cmsDeleteTransform(transform);
          }};
}

std::shared_ptr<void> srgb() { return {cmsCreate_sRGBProfile(), cmsCloseProfile}; }

cmsUInt32Number space_of(const SampleLayout& layout) {
  return layout.cmyk ? PT_CMYK : layout.colours() == 3 ? PT_RGB : PT_GRAY;
}

cmsColorSpaceSignature signature_of(const SampleLayout& layout) {
  return layout.cmyk ? cmsSigCmykData : layout.colours() == 3 ? cmsSigRgbData : cmsSigGrayData;
}

/// Whether every colour of a coarse grid stays what it is, within half a step of 8 bits.
bool changes_nothing(cmsHPROFILE profile, cmsHPROFILE target, const SampleLayout& layout) {
  constexpr int kSteps = 6;
  constexpr double kTolerance = 0.5 / 255;
  const bool grey = layout.colours() == 1;
  const auto transform =
      owned_transform(cmsCreateTransform(profile, grey ? TYPE_GRAY_DBL : TYPE_RGB_DBL, target, TYPE_RGB_DBL,
                                         INTENT_PERCEPTUAL, cmsFLAGS_BLACKPOINTCOMPENSATION));
  if (!transform) return false;
  for (int i = 0; i < (grey ? kSteps : kSteps * kSteps * kSteps); ++i) {
    const double r = i % kSteps / (kSteps - 1.0), g = grey ? r : i / kSteps % kSteps / (kSteps - 1.0),
                 b = grey ? r : i / (kSteps * kSteps) / (kSteps - 1.0);
    const double in[3] = {r, g, b};
    double out[3];
    cmsDoTransform(transform.get(), in, out, 1);
    for (int c = 0; c < 3; ++c) {
      if (!(std::abs(out[c] - in[c]) < kTolerance)) return false;
    }
  }
  return true;
}

/// The profile with its tags D2B0 to D2B3 hidden: what they compute in floating point, another tag does in
/// integers. Little CMS prefers them, and builds each of their elements anew though thousands may share their
/// bytes.
std::vector<uint8_t> without_elements(const void* data, size_t size) {
  constexpr size_t kHeader = 128, kTags = kHeader + 4, kTagSize = 12;  // their number is before the tags
  const auto* bytes = static_cast<const uint8_t*>(data);
  std::vector<uint8_t> icc(bytes, bytes + size);
  if (size < kTags) return icc;
  const size_t count = std::min<size_t>(big_endian32(bytes + kHeader), (size - kTags) / kTagSize);
  for (size_t i = 0; i < count; ++i) {
    uint8_t* tag = &icc[kTags + i * kTagSize];
    if (std::memcmp(tag, "D2B", 3) == 0) *tag = 'x';
  }
  return icc;
}

}  // namespace

ColourProfile::ColourProfile(void* handle) {
  if (handle != nullptr) handle_ = {handle, cmsCloseProfile};
}

ColourProfile ColourProfile::from_icc(const void* data, size_t size) {
  const std::vector<uint8_t> icc = without_elements(data, size);
  ColourProfile profile(cmsOpenProfileFromMem(icc.data(), static_cast<cmsUInt32Number>(size)));
  if (!profile) return {};
  const cmsColorSpaceSignature space = cmsGetColorSpace(profile.handle_.get());
  return space == cmsSigRgbData || space == cmsSigGrayData || space == cmsSigCmykData ? profile
                                                                                      : ColourProfile();
}

ColourProfile ColourProfile::rgb(const Chromaticities& space, const ToneCurve& curve) {
  const cmsCIExyY white = {space.white[0], space.white[1], 1};
  const cmsCIExyYTRIPLE primaries = {{space.red[0], space.red[1], 1},
                                     {space.green[0], space.green[1], 1},
                                     {space.blue[0], space.blue[1], 1}};
  const double parameters[] = {curve.gamma, curve.a, curve.b, curve.c, curve.d};
  const std::shared_ptr<cmsToneCurve> tone(cmsBuildParametricToneCurve(nullptr, 4, parameters),
                                           [](cmsToneCurve* made) {
                                             if (made != nullptr) cmsFreeToneCurve(made);
                                           });
  if (!tone) return {};
  cmsToneCurve* const curves[] = {tone.get(), tone.get(), tone.get()};
  return ColourProfile(cmsCreateRGBProfile(&white, &primaries, curves));
}

bool ColourProfile::is_grey() const {
  return handle_ != nullptr && cmsGetColorSpace(handle_.get()) == cmsSigGrayData;
}

ColourTransform::ColourTransform(void* handle) : handle_(owned_transform(handle)) {}

std::unique_ptr<ColourTransform> ColourTransform::to_srgb(const ColourProfile& profile,
                                                          const SampleLayout& layout, bool& usable) {
  usable = true;
  if (!profile) return nullptr;
  const std::shared_ptr<void> target = srgb();
  usable = cmsGetColorSpace(profile.handle_.get()) == signature_of(layout);
  if (!usable || (!layout.cmyk && changes_nothing(profile.handle_.get(), target.get(), layout)))
    return nullptr;
  const cmsUInt32Number extra = EXTRA_SH(layout.has_alpha() ? 1 : 0);
  const cmsUInt32Number from =
      COLORSPACE_SH(space_of(layout)) | CHANNELS_SH(layout.colours()) | extra | BYTES_SH(layout.bytes);
  const cmsUInt32Number to = COLORSPACE_SH(PT_RGB) | CHANNELS_SH(3) | extra | BYTES_SH(2);
  // Of 16 bits Little CMS would make a coarse table, too coarse in the shadows of linear light.
  const cmsUInt32Number exact = layout.bytes == 2 ? cmsFLAGS_NOOPTIMIZE : 0;
  std::unique_ptr<ColourTransform> transform(new ColourTransform(
      cmsCreateTransform(profile.handle_.get(), from, target.get(), to, INTENT_PERCEPTUAL, kFlags | exact)));
  usable = transform->handle_ != nullptr;
  return usable ? std::move(transform) : nullptr;
}

void ColourTransform::apply(const void* in, uint16_t* out, int pixels) const {
  cmsDoTransform(handle_.get(), in, out, static_cast<cmsUInt32Number>(pixels));
}

}  // namespace swag
