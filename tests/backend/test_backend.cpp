#include <doctest/doctest.h>
#include <sched.h>

#include "src/backend/backend.h"
#include "src/support/error.h"
#include "src/support/host_memory.h"
#include "tests/backend/backend_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE("the CPU backend says what it is, and 0 threads means the cores of this process") {
  CHECK(make_cpu_backend(1)->description() == "cpu, 1 thread");
  CHECK(make_cpu_backend(3)->description() == "cpu, 3 threads");

  cpu_set_t before, one;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  const int cores = CPU_COUNT(&before);
  CHECK(make_cpu_backend(0)->description() == make_cpu_backend(cores)->description());
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  }
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(make_cpu_backend(0)->description() == "cpu, 1 thread");
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("the CPU backend's memory is aligned, copied and cleared") {
  const auto backend = make_cpu_backend(2);
  for (const int64_t bytes : {0, 1, 63, 64, 65, 1000}) {
    const Buffer buffer(*backend, bytes);
    CHECK(buffer.data() != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % 64 == 0);
  }
  check_memory(*backend);
}

TEST_CASE("memory that cannot be is an error that names the need") {
  const auto backend = make_cpu_backend(1);
  check_impossible_memory(*backend);
  CHECK_THROWS_AS(backend->allocate(host_memory_bytes() + 1), Error);
  CHECK_THROWS_AS(backend->allocate(std::numeric_limits<int64_t>::max()), Error);
}

TEST_CASE("the memory still available lies between nothing and the machine's") {
  const int64_t available = make_cpu_backend(1)->available_bytes();
  CHECK(available > 0);
  CHECK(available <= host_memory_bytes());
}

TEST_CASE("a buffer moves without freeing twice") {
  const auto backend = make_cpu_backend(1);
  Buffer a(*backend, 100), b;
  void* const data = a.data();
  b = std::move(a);
  CHECK(b.data() == data);
  CHECK(b.bytes() == 100);
  CHECK(!a);
  const Buffer c(std::move(b));
  CHECK(c.data() == data);
  CHECK(!b);
}

TEST_CASE_TEMPLATE("the CPU backend runs each op in the precision of its tensors", T, float, double) {
  const auto backend = make_cpu_backend(2);
  check_network_ops<T>(*backend);
  check_loss_ops<T>(*backend);
  check_wasserstein_ops<T>(*backend);
  check_convolution_and_optimiser_ops<T>(*backend);
  check_lbfgs_ops<T>(*backend);
}
