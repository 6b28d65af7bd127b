// The shapes that the CPU's and the GPU's pooling are tested on.
#pragma once
#include <vector>

#include "kernels/pool2d.h"

namespace swag::test {

inline Pool2dParams square(int h, int w, int c, int kernel, int stride, int pad) {
  Pool2dParams params;
  params.h = h, params.w = w, params.c = c;
  params.kh = params.kw = kernel, params.stride_h = params.stride_w = stride,
  params.pad_h = params.pad_w = pad;
  params.x_pitch = params.y_pitch = c;
  return params;
}

/// Windows of all kinds: touching, overlapping, with gaps, padded, oblong, sticking out, with pitches.
inline std::vector<Pool2dParams> pool2d_cases() {
  std::vector<Pool2dParams> all{square(1, 1, 1, 1, 1, 0),  square(4, 6, 64, 2, 2, 0),
                                square(5, 7, 3, 2, 2, 0),  square(9, 8, 70, 3, 2, 1),
                                square(6, 5, 17, 3, 1, 1), square(11, 10, 4, 2, 3, 0),
                                square(7, 7, 33, 3, 2, 0), square(8, 8, 5, 5, 3, 2)};
  for (Pool2dParams params : {square(5, 7, 3, 2, 2, 0), square(8, 6, 20, 3, 2, 0), square(7, 8, 2, 3, 2, 1),
                              square(4, 4, 3, 2, 3, 1)}) {
    params.ceil_mode = true;
    all.push_back(params);
    params.count_include_pad = false;
    all.push_back(params);
  }
  Pool2dParams oblong = square(7, 9, 18, 3, 2, 0);
  oblong.kw = 2, oblong.stride_h = 1, oblong.pad_h = 1, oblong.x_pitch = 23, oblong.y_pitch = 20;
  all.push_back(oblong);
  return all;
}

}  // namespace swag::test
