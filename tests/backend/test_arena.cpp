#include <doctest/doctest.h>

#include "src/backend/arena.h"
#include "tests/helpers.h"

namespace swag {
namespace {

TEST_CASE("pieces that never live together share bytes") {
  ArenaPlan plan;
  const int a = plan.add(1024, 0, 1), b = plan.add(1024, 2, 3), c = plan.add(1024, 1, 2);
  CHECK(plan.place() == 2048);
  CHECK(plan.offset(a) == plan.offset(b));
  CHECK(plan.offset(a) != plan.offset(c));
}

TEST_CASE("a permanent piece shares with none") {
  ArenaPlan plan;
  plan.add_permanent(256);
  plan.add(256, 0, 0);
  plan.add(256, 5, 5);
  CHECK(plan.place() == 512);
}

TEST_CASE("an extended piece keeps its bytes until then") {
  ArenaPlan plan;
  const int a = plan.add(256, 0, 0);
  plan.add(256, 3, 4);
  plan.extend(a, 3);
  CHECK(plan.place() == 512);
}

TEST_CASE("no two pieces that live at the same time overlap") {
  struct Piece {
    int id, first, last;
    int64_t bytes;
  };
  test::Random random(1);
  ArenaPlan plan;
  std::vector<Piece> pieces;
  for (int i = 0; i < 200; ++i) {
    const int first = static_cast<int>(random.uniform(0, 50)),
              last = first + static_cast<int>(random.uniform(0, 9));
    const int64_t bytes = 1 + static_cast<int64_t>(random.uniform(0, 5000));
    pieces.push_back({plan.add(bytes, first, last), first, last, bytes});
  }
  const int64_t total = plan.place();
  for (const Piece& a : pieces) {
    CHECK(plan.offset(a.id) % 64 == 0);
    CHECK(plan.offset(a.id) + a.bytes <= total);
    for (const Piece& b : pieces) {
      const bool together = a.first <= b.last && b.first <= a.last;
      const bool apart = plan.offset(a.id) + a.bytes <= plan.offset(b.id) ||
                         plan.offset(b.id) + b.bytes <= plan.offset(a.id);
      if (a.id != b.id && together && !apart) FAIL("pieces " << a.id << " and " << b.id << " overlap");
    }
  }
}

}  // namespace
}  // namespace swag
