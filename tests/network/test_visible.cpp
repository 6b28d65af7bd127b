#include <doctest/doctest.h>

#include "src/network/visible.h"

namespace swag {
namespace {

using Positions = std::vector<int32_t>;

TEST_CASE("a position is seen where enough of its part of the picture can be") {
  // 4 x 4 pixels, a map of 2 x 2: parts of 4 pixels, of which 4, 2, 1 and 0 can be seen.
  const std::vector<float> alpha = {1, 1, 1, 0,  //
                                    1, 1, 1, 0,  //
                                    0, 0, 0, 0,  //
                                    1, 0, 0, 0};
  CHECK(visible_positions(alpha, {4, 4, 3}, {2, 2, 8}) == Positions{0, 1});
  CHECK(visible_positions(alpha, {4, 4, 3}, {4, 4, 8}) == Positions{0, 1, 2, 4, 5, 6, 12});
}

TEST_CASE("glass beside something opaque is seen, the last of a shadow is not") {
  CHECK(visible_positions({1, 0.25f, 0.07f, 0.06f, 0}, {1, 5, 3}, {1, 5, 8}) == Positions{0, 1, 2});
  CHECK(visible_positions({0.1f, 0.02f, 0.007f, 0.006f, 0}, {1, 5, 3}, {1, 5, 8}) == Positions{0, 1, 2});
}

TEST_CASE("a faint picture is seen as a whole, and a small island at every size of map") {
  CHECK(visible_positions(std::vector<float>(36, 0.01f), {6, 6, 3}, {6, 6, 1}).empty());
  std::vector<float> island(33 * 47, 0.0f);
  island[20 * 47 + 30] = 0.6f;
  CHECK(visible_positions(island, {33, 47, 3}, {33, 47, 64}) == Positions{20 * 47 + 30});
  CHECK(visible_positions(island, {33, 47, 3}, {2, 2, 64}).size() == 1);
  CHECK(visible_positions(island, {33, 47, 3}, {1, 1, 64}).empty());  // all of one
}

TEST_CASE("an opaque picture leaves out nothing, whatever the map's size") {
  const std::vector<float> alpha(31 * 17, 1.0f);
  for (const Shape map : {Shape{31, 17, 1}, Shape{16, 9, 1}, Shape{15, 8, 1}, Shape{40, 20, 1}}) {
    CHECK(visible_positions(alpha, {31, 17, 3}, map).empty());
  }
}

}  // namespace
}  // namespace swag
