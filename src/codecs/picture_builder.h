// Where decoders put their rows: in sRGB, the right way up, and no larger than what is wanted of the picture
// asks for.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "src/codecs/colour.h"
#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

/// The size at which a picture of h x w is kept when it will be brought to the size of `wanted`: its own,
/// unless that is more than eight times as large. Then four times the wanted one, which a Lanczos filter
/// cannot tell from the original; the rule gives the same target for both.
Size kept_size(const SizeRule& wanted, int h, int w);

/// Of a profile: a printer's has some megabytes, and copies are made to read it.
constexpr size_t kMostProfileBytes = size_t{16} << 20;

/// The profile that a file holds. None where `icc` is null, larger than that or no profile, which is noted.
ColourProfile embedded_profile(const PictureFile& file, const void* icc, size_t size);

class PictureBuilder {
 public:
  struct Source {
    int h = 0, w = 0;
    SampleLayout layout;
    int orientation = 1;        // as EXIF numbers them
    int64_t decoder_bytes = 0;  // what the decoder itself holds beside this
    int white = 0;              // the sample that is white; 0: the largest that there is
  };

  /// Throws Error(kMemory) when there is not enough; notes a profile that cannot be used.
  PictureBuilder(const PictureFile& file, const Source& source, const ColourProfile& profile = {});

  /// The next row, from the top: (w, channels) of the layout.
  void add_row(const void* samples);

  /// After the last row.
  Image finish();

 private:
  template <typename Sample>
  void take(const Sample* samples, const SampleLayout& layout, int white);
  template <typename Sample>
  void place(const Sample* samples, const SampleLayout& layout, float white);
  template <typename Sample>
  void sum_row(const Sample* samples, const SampleLayout& layout);
  void accumulate(double white, bool has_alpha);
  void place_sums(double white, bool has_alpha);
  void set_alpha(int64_t at, float alpha);
  int64_t position(int row, int col) const;
  void mix_inks(const uint8_t* inks);

  Source source_;
  Size kept_;  // before orientation
  std::unique_ptr<ColourTransform> transform_;
  std::vector<uint16_t> converted_;  // a row of the source in sRGB
  std::vector<uint8_t> mixed_;       // a row of CMYK without a profile, as RGB
  std::vector<double> line_,
      sums_;  // (kept w, 4): of one row, and of the rows so far; colours times alpha, and alpha
  int row_ = 0, kept_row_ = 0;
  Image image_;
};

}  // namespace swag
