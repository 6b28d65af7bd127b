// The tiles of a symmetric matrix that are computed: those on and above its diagonal.
#pragma once
#include <cuda_runtime.h>

namespace swag::cuda {

/// The tile (row, col), row <= col, of a number in [0, tiles).
struct TileIndex {
  int row = 0, col = 0;
  __device__ TileIndex(int number, int tiles_per_side) {
    while (number >= tiles_per_side - row) number -= tiles_per_side - row++;
    col = row + number;
  }
};

}  // namespace swag::cuda
