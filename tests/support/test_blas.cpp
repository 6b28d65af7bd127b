#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "src/support/blas.h"
#include "src/support/error.h"
#include "tests/address_space_limit.h"

using namespace swag;

namespace {

int threads_of_this_process() {
  int count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

}  // namespace

TEST_CASE("loading a BLAS starts no thread") {
  const int before = threads_of_this_process();
  blas();
  CHECK(threads_of_this_process() == before);
}

TEST_CASE("a BLAS that a limit on the address space would make wait for ever is not called") {
  blas();
  const test::AddressSpaceLimit limit(64 << 20);
  try {
    blas();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMemory);
    CHECK(std::string(error.what()).find("ulimit -v") != std::string::npos);
  }
}

TEST_CASE("the eigenvalues of a symmetric matrix come in rising order") {
  std::vector<double> a{2, 1, 1, 2}, values(2), work(64);
  std::vector<int> iwork(64);
  const int n = 2, size = 64;
  int info = -1;
  blas().dsyevd("V", "L", &n, a.data(), &n, values.data(), work.data(), &size, iwork.data(), &size, &info, 1,
                1);
  CHECK(info == 0);
  CHECK(values[0] == doctest::Approx(1));
  CHECK(values[1] == doctest::Approx(3));
}
