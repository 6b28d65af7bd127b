// Pixels that cannot be seen: which they are, and colours for them that are no trace of what files hide
// there.
#pragma once
#include <vector>

#include "src/image/image.h"

namespace swag {

/// Whether a pixel shows anything: a smaller alpha is 0 in 8 bits.
inline bool is_visible(float alpha) { return alpha >= 0.5f / 255; }

/// Whether any pixel shows anything.
bool anything_visible(const Image& image);

/// Gives the pixels that cannot be seen the colours around them, the smoother the farther away, by pulling
/// averages up a pyramid and pushing them down into the holes (Gortler et al. 1996, "The Lumigraph"). Partly
/// transparent pixels count by their alpha and keep their colour. Where nothing is visible nothing changes.
template <typename T>
void fill_invisible(std::vector<T>& colours,          // (h, w, 3)
                    const std::vector<float>& alpha,  // (h, w); empty: opaque
                    int h, int w);

/// The picture with its invisible pixels filled; an opaque one as it is.
Image with_invisible_filled(Image image);

}  // namespace swag
