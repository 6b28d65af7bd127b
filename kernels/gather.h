// Some positions of a map as a map of their own. torch: x[positions]; backward is dx.index_add_(0, positions,
// dy).
//
// A map with its invisible positions left out has no shape any more, but the losses do not ask for one: they
// are sums over positions.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct GatherParams {
  int64_t count = 0;  // of positions
  int c = 0;
};

namespace cpu {

/// y(i) = x(positions[i]).
template <typename T>
void gather_positions(T* y,                      // (count, c), dense; y may not overlap x
                      const T* x,                // (h * w, c), dense
                      const int32_t* positions,  // (count), each once, within the map
                      const GatherParams& params, Stream stream);

/// dx(positions[i]) += dy(i); other positions keep what they hold.
template <typename T>
void scatter_positions(T* dx,        // (h * w, c), dense
                       const T* dy,  // (count, c), dense; dy may not overlap dx
                       const int32_t* positions, const GatherParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

template <typename T>
void gather_positions(T* y, const T* x, const int32_t* positions, const GatherParams& params, Stream stream);
template <typename T>
void scatter_positions(T* dx, const T* dy, const int32_t* positions, const GatherParams& params,
                       Stream stream);

}  // namespace cuda
}  // namespace swag
