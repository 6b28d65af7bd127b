#include <doctest/doctest.h>

#include <limits>

#include "kernels/cpu/thread_pool.h"
#include "kernels/pool2d.h"
#include "tests/helpers.h"
#include "tests/kernels/pool2d_cases.h"

using namespace swag;
using namespace swag::test;

namespace {

/// visit(row, col) over a window's pixels inside the map.
template <typename Visit>
void for_window(const Pool2dParams& p, int out_row, int out_col, Visit&& visit) {
  for (int i = 0; i < p.kh; ++i) {
    for (int j = 0; j < p.kw; ++j) {
      const int row = out_row * p.stride_h - p.pad_h + i, col = out_col * p.stride_w - p.pad_w + j;
      if (row >= 0 && row < p.h && col >= 0 && col < p.w) visit(row, col, i * p.kw + j);
    }
  }
}

/// The number an average divides by, counted pixel by pixel.
int naive_area(const Pool2dParams& p, int out_row, int out_col) {
  int area = 0;
  for (int i = 0; i < p.kh; ++i) {
    for (int j = 0; j < p.kw; ++j) {
      const int row = out_row * p.stride_h - p.pad_h + i, col = out_col * p.stride_w - p.pad_w + j;
      const bool in_map = row >= 0 && row < p.h && col >= 0 && col < p.w;
      area += in_map || (p.count_include_pad && row < p.h + p.pad_h && col < p.w + p.pad_w);
    }
  }
  return area;
}

}  // namespace

TEST_CASE("pooling sizes follow torch's floor and ceil arithmetic") {
  Pool2dParams params = square(7, 8, 1, 3, 2, 0);
  CHECK(params.h_out() == 3);
  CHECK(params.w_out() == 3);
  params.ceil_mode = true;
  CHECK(params.h_out() == 3);
  CHECK(params.w_out() == 4);
  Pool2dParams beyond = square(4, 4, 1, 2, 3, 1);  // a window at 5 would lie in the padding alone
  CHECK(beyond.h_out() == 2);
  beyond.ceil_mode = true;
  CHECK(beyond.h_out() == 2);
}

TEST_CASE_TEMPLATE("max_pool2d backward sends the gradient to the first maximum", T, float, double) {
  const std::vector<T> x{1, 5, 7, 7,  //
                         5, 5, 7, 7};
  const Pool2dParams params = square(2, 4, 1, 2, 2, 0);
  GuardedBuffer<T> y(2), dx(8);
  GuardedBuffer<uint8_t> position(2);
  cpu::max_pool2d_forward(y.data(), position.data(), x.data(), params, Stream{});
  CHECK(y.values() == std::vector<T>{5, 7});
  CHECK(position.values() == std::vector<uint8_t>{1, 0});
  const std::vector<T> dy{2, 3};
  cpu::max_pool2d_backward(dx.data(), dy.data(), position.data(), params, Stream{});
  CHECK(dx.values() == std::vector<T>{0, 2, 3, 0, 0, 0, 0, 0});
  CHECK(y.intact());
  CHECK(dx.intact());
  CHECK(position.intact());
}

TEST_CASE_TEMPLATE("max_pool2d behind a ReLU has no position where the maximum is not positive", T, float,
                   double) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> x{0, 0, 3, 0, nan, 1,  //
                         0, 0, 0, 3, 0,   2};
  Pool2dParams params = square(2, 6, 1, 2, 2, 0);
  params.behind_relu = true;
  GuardedBuffer<T> y(3), dx(12);
  GuardedBuffer<uint8_t> position(3);
  cpu::max_pool2d_forward(y.data(), position.data(), x.data(), params, Stream{});
  CHECK(position.values() == std::vector<uint8_t>{kNoPosition, 0, kNoPosition});
  const std::vector<T> dy{5, 7, 9};
  cpu::max_pool2d_backward(dx.data(), dy.data(), position.data(), params, Stream{});
  CHECK(dx.values() == std::vector<T>{0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE_TEMPLATE("avg_pool2d counts the padding or not, as asked", T, float, double) {
  const std::vector<T> x{4, 8, 12, 16}, dy{1, 1, 1, 1};
  Pool2dParams params = square(2, 2, 1, 3, 2, 1);  // one window: the whole map and five pixels of padding
  GuardedBuffer<T> y(1), dx(4);
  cpu::avg_pool2d_forward(y.data(), x.data(), params, Stream{});
  CHECK(std::abs(y[0] - 40.0 / 9) <= 1e-6);
  params.count_include_pad = false;
  cpu::avg_pool2d_forward(y.data(), x.data(), params, Stream{});
  CHECK(y[0] == 10);
  cpu::avg_pool2d_backward(dx.data(), dy.data(), params, Stream{});
  CHECK(dx.values() == std::vector<T>{0.25, 0.25, 0.25, 0.25});
  CHECK(y.intact());
  CHECK(dx.intact());
}

TEST_CASE_TEMPLATE("max_pool2d agrees with its definition on every kind of window", T, float, double) {
  for (const Pool2dParams& p : pool2d_cases()) {
    CAPTURE(p.h);
    CAPTURE(p.w);
    CAPTURE(p.kh);
    const int h_out = p.h_out(), w_out = p.w_out();
    auto x = random_vector<T>(int64_t{p.h} * p.w * p.x_pitch, 1, 0, 4);
    for (T& value : x) value = std::floor(value) - 2;  // few values, so that many windows have ties
    const auto dy = random_vector<T>(int64_t{h_out} * w_out * p.y_pitch, 2);
    GuardedBuffer<T> y(int64_t{h_out} * w_out * p.y_pitch), dx(int64_t{p.h} * p.w * p.x_pitch);
    GuardedBuffer<uint8_t> position(int64_t{h_out} * w_out * p.c);
    cpu::max_pool2d_forward(y.data(), position.data(), x.data(), p, Stream{});
    cpu::max_pool2d_backward(dx.data(), dy.data(), position.data(), p, Stream{});

    int wrong = 0;
    std::vector<double> gradient(dx.size(), 0.0);
    for (int64_t out = 0; out < int64_t{h_out} * w_out; ++out) {
      for (int k = 0; k < p.c; ++k) {
        double best = -1e9;
        int where = -1;
        int64_t source = 0;
        for_window(p, static_cast<int>(out / w_out), static_cast<int>(out % w_out),
                   [&](int row, int col, int tap) {
                     const int64_t i = (int64_t{row} * p.w + col) * p.x_pitch + k;
                     if (x[i] > best) best = x[i], where = tap, source = i;
                   });
        wrong += y[out * p.y_pitch + k] != best || position[out * p.c + k] != where;
        gradient[source] += dy[out * p.y_pitch + k];
      }
    }
    CHECK(wrong == 0);
    for (int64_t i = 0; i < static_cast<int64_t>(dx.size()); ++i) {
      const bool right = std::abs(dx[i] - gradient[i]) <= (sizeof(T) == 4 ? 1e-6 : 1e-14);
      wrong += !(i % p.x_pitch < p.c ? right : std::isnan(dx[i]));  // between the channels nothing is written
    }
    CHECK(wrong == 0);
    CHECK(y.intact());
    CHECK(dx.intact());
    CHECK(position.intact());
  }
}

TEST_CASE_TEMPLATE("avg_pool2d agrees with its definition on every kind of window", T, float, double) {
  const double tolerance = sizeof(T) == 4 ? 4e-7 : 1e-15;
  for (const Pool2dParams& p : pool2d_cases()) {
    CAPTURE(p.h);
    CAPTURE(p.kh);
    const int h_out = p.h_out(), w_out = p.w_out();
    const auto x = random_vector<T>(int64_t{p.h} * p.w * p.x_pitch, 1);
    const auto dy = random_vector<T>(int64_t{h_out} * w_out * p.y_pitch, 2);
    GuardedBuffer<T> y(int64_t{h_out} * w_out * p.y_pitch), dx(int64_t{p.h} * p.w * p.x_pitch);
    cpu::avg_pool2d_forward(y.data(), x.data(), p, Stream{});
    cpu::avg_pool2d_backward(dx.data(), dy.data(), p, Stream{});

    std::vector<double> got, expected, got_dx, expected_dx(int64_t{p.h} * p.w * p.c, 0.0);
    for (int64_t out = 0; out < int64_t{h_out} * w_out; ++out) {
      const int out_row = static_cast<int>(out / w_out), out_col = static_cast<int>(out % w_out);
      const int area = naive_area(p, out_row, out_col);
      for (int k = 0; k < p.c; ++k) {
        double sum = 0;
        for_window(p, out_row, out_col, [&](int row, int col, int) {
          const int64_t pixel = int64_t{row} * p.w + col;
          sum += x[pixel * p.x_pitch + k];
          expected_dx[pixel * p.c + k] += double{dy[out * p.y_pitch + k]} / area;
        });
        got.push_back(y[out * p.y_pitch + k]);
        expected.push_back(sum / area);
      }
    }
    for (int64_t i = 0; i < static_cast<int64_t>(dx.size()); ++i) {
      if (i % p.x_pitch < p.c) got_dx.push_back(dx[i]);
    }
    CHECK(relative_l2(got, expected) <= tolerance);
    CHECK(worst_element(got, expected) <= tolerance);
    CHECK(relative_l2(got_dx, expected_dx) <= tolerance);
    CHECK(worst_element(got_dx, expected_dx) <= tolerance);
    CHECK(y.intact());
    CHECK(dx.intact());
  }
}

TEST_CASE("pooling backward agrees with central differences of forward") {
  for (const bool max : {true, false}) {
    const Pool2dParams p = square(7, 6, 3, 3, 2, 1);
    const int64_t outputs = int64_t{p.h_out()} * p.w_out() * p.c;
    auto x = random_vector<double>(7 * 6 * 3, 1);
    const auto dy = random_vector<double>(outputs, 2);
    std::vector<double> y(dy.size()), dx(x.size()), expected(x.size());
    std::vector<uint8_t> position(dy.size());
    const auto loss = [&] {
      if (max) {
        cpu::max_pool2d_forward(y.data(), position.data(), x.data(), p, Stream{});
      } else {
        cpu::avg_pool2d_forward(y.data(), x.data(), p, Stream{});
      }
      double sum = 0;
      for (size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
      return sum;
    };
    loss();
    if (max) {
      cpu::max_pool2d_backward(dx.data(), dy.data(), position.data(), p, Stream{});
    } else {
      cpu::avg_pool2d_backward(dx.data(), dy.data(), p, Stream{});
    }
    for (size_t i = 0; i < x.size(); ++i) {
      const double step = 1e-6, here = x[i];
      x[i] = here + step;
      const double above = loss();
      x[i] = here - step;
      const double below = loss();
      x[i] = here;
      expected[i] = (above - below) / (2 * step);
    }
    CHECK(relative_l2(dx, expected) <= 1e-8);
  }
}

TEST_CASE_TEMPLATE("max_pool2d: NaN wins, wherever it stands, and padding never does", T, float, double) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (int where = 0; where < 4; ++where) {
    std::vector<T> x{1, 9, 3, 4}, y(1);
    x[static_cast<size_t>(where)] = nan;
    std::vector<uint8_t> position(1);
    cpu::max_pool2d_forward(y.data(), position.data(), x.data(), square(2, 2, 1, 2, 2, 0), Stream{});
    CHECK(std::isnan(y[0]));
    CHECK(position[0] == where);
  }
  const std::vector<T> negative{-5, -6, -7, -8};
  std::vector<T> y(4);
  cpu::max_pool2d_forward<T>(y.data(), nullptr, negative.data(), square(2, 2, 1, 3, 1, 1), Stream{});
  CHECK(y == std::vector<T>{-5, -5, -5, -5});
}

TEST_CASE_TEMPLATE("pooling does not depend on the number of threads", T, float, double) {
  ThreadPool pool(3);
  const Pool2dParams p = square(61, 47, 65, 3, 2, 1);
  const auto x = random_vector<T>(int64_t{p.h} * p.w * p.c, 1);
  const auto dy = random_vector<T>(int64_t{p.h_out()} * p.w_out() * p.c, 2);
  std::vector<T> y[2], average[2], dx[2], average_dx[2];
  std::vector<uint8_t> position[2];
  for (int run = 0; run < 2; ++run) {
    const Stream stream = run == 0 ? Stream{} : cpu::stream_of(pool);
    y[run].resize(dy.size()), average[run].resize(dy.size()), position[run].resize(dy.size());
    dx[run].resize(x.size()), average_dx[run].resize(x.size());
    cpu::max_pool2d_forward(y[run].data(), position[run].data(), x.data(), p, stream);
    cpu::max_pool2d_backward(dx[run].data(), dy.data(), position[run].data(), p, stream);
    cpu::avg_pool2d_forward(average[run].data(), x.data(), p, stream);
    cpu::avg_pool2d_backward(average_dx[run].data(), dy.data(), p, stream);
  }
  CHECK(y[0] == y[1]);
  CHECK(position[0] == position[1]);
  CHECK(dx[0] == dx[1]);
  CHECK(average[0] == average[1]);
  CHECK(average_dx[0] == average_dx[1]);
}
