// Pictures of files as the image views of the C API, without loss.
#pragma once
#include <vector>

#include "include/swag.h"
#include "src/image/image.h"

namespace swag::cli {

/// Floats (h, w, 4) or, opaque, (h, w, 3), and the view of them.
class Pixels {
 public:
  explicit Pixels(Image image);
  Pixels(int h, int w, bool alpha);

  swag_image view();
  /// An alpha that is 1 everywhere is dropped.
  Image image() const;

 private:
  int h_, w_, channels_;
  std::vector<float> values_;
};

}  // namespace swag::cli
