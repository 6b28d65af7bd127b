// The shapes that every convolution of the program must get right: one table for the CPU, the CUDA twin and
// their comparison.
#pragma once
#include <string>
#include <vector>

#include "kernels/conv2d/conv2d.h"

namespace swag::test {

struct Conv2dCase {
  std::string name;
  Conv2dLayer layer;  // c_in, c_out, kh, kw, stride_h, stride_w, pad_h, pad_w
  int h = 0, w = 0;
  int x_gap = 0, y_gap = 0;  // pitch minus channels

  Conv2dParams params() const {
    Conv2dParams params;
    params.layer = layer;
    params.h = h;
    params.w = w;
    params.x_pitch = layer.c_in + x_gap;
    params.y_pitch = layer.c_out + y_gap;
    return params;
  }
};

inline const std::vector<Conv2dCase>& conv2d_cases() {
  static const std::vector<Conv2dCase> cases = {
      {"one pixel, one channel, 1x1", {1, 1, 1, 1, 1, 1, 0, 0}, 1, 1},
      {"one pixel, 3x3", {3, 5, 3, 3, 1, 1, 1, 1}, 1, 1},
      {"one pixel, 5x5 stride 2", {6, 9, 5, 5, 2, 2, 2, 2}, 1, 1},
      {"one row", {7, 33, 3, 3, 1, 1, 1, 1}, 1, 19},
      {"one column", {33, 7, 3, 3, 1, 1, 1, 1}, 23, 1},
      {"image to features, 3x3", {3, 64, 3, 3, 1, 1, 1, 1}, 37, 41},
      {"image to features, 7x7 stride 2", {3, 64, 7, 7, 2, 2, 3, 3}, 45, 38},
      {"image to features, 3x3 stride 2 unpadded", {3, 32, 3, 3, 2, 2, 0, 0}, 30, 29},
      {"gray image, 11x11 stride 4", {1, 17, 11, 11, 4, 4, 2, 2}, 40, 35},
      {"3x3 of whole vectors", {64, 64, 3, 3, 1, 1, 1, 1}, 24, 24},
      {"3x3 with no round number", {45, 37, 3, 3, 1, 1, 1, 1}, 13, 17},
      {"3x3 in wider tensors", {19, 23, 3, 3, 1, 1, 1, 1}, 12, 11, 13, 9},
      {"3x3 stride 2", {32, 48, 3, 3, 2, 2, 1, 1}, 16, 16},
      {"3x3 stride 2, odd map", {31, 33, 3, 3, 2, 2, 1, 1}, 15, 21, 1, 31},
      {"3x3 stride 2 unpadded, last row unread", {16, 24, 3, 3, 2, 2, 0, 0}, 12, 14},
      {"3x3 padded by more than its reach", {8, 12, 3, 3, 1, 1, 4, 5}, 6, 7},
      {"kernel smaller than its stride", {9, 11, 2, 1, 3, 4, 0, 0}, 14, 18},
      {"even kernel", {12, 10, 4, 2, 1, 1, 1, 1}, 9, 10},
      {"1x7 as in Inception", {40, 36, 1, 7, 1, 1, 0, 3}, 17, 17},
      {"7x1 as in Inception", {36, 40, 7, 1, 1, 1, 3, 0}, 17, 17},
      {"oblong strides", {13, 15, 3, 5, 1, 3, 1, 2}, 11, 20},
      {"1x1", {96, 80, 1, 1, 1, 1, 0, 0}, 14, 15},
      {"1x1 in wider tensors", {33, 65, 1, 1, 1, 1, 0, 0}, 9, 8, 7, 31},
      {"1x1 stride 2 as in ResNet", {64, 96, 1, 1, 2, 2, 0, 0}, 15, 16},
      {"1x1 with padding", {10, 12, 1, 1, 1, 1, 1, 2}, 5, 4},
      {"1x1 whose pixels are a page apart", {1024, 48, 1, 1, 1, 1, 0, 0}, 5, 6},
      {"1x1 stride 2 whose pixels are a page apart", {512, 40, 1, 1, 2, 2, 0, 0}, 7, 9},
      {"3x3 whose pixels are a page apart", {1024, 33, 3, 3, 1, 1, 1, 1}, 4, 5},
      {"several blocks", {128, 64, 3, 3, 1, 1, 1, 1}, 40, 150},
      {"to one channel", {64, 1, 3, 3, 1, 1, 1, 1}, 20, 33},
  };
  return cases;
}

}  // namespace swag::test
