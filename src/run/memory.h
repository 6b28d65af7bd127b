// How much memory a run will take, asked before its long work.
#pragma once
#include <cstdint>
#include <vector>

#include "src/image/image.h"
#include "src/network/prepared_network.h"
#include "src/run/options.h"

namespace swag {

/// Bytes that a run takes at its most, beyond the images as they came and the prepared network, which are
/// there already: the last scale's images, targets, arena and optimiser. `styles`: sizes of the style images
/// for this output; `alpha`: whether a picture has any. Within a tenth of what is measured, for runs of more
/// than some 50 MiB.
int64_t run_bytes(const PreparedNetwork& network, const StylizeOptions& options, Size output,
                  const std::vector<Size>& styles, bool alpha);

/// Throws Error(kMemory) with the need and the largest size that fits when the backend's memory is too small.
void check_memory(const PreparedNetwork& network, const StylizeOptions& options, Size output,
                  const Image& content, const std::vector<Image>& styles);

}  // namespace swag
