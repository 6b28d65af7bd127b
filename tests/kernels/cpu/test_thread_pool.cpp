#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/cpu/reduce.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/address_space_limit.h"

using namespace swag;

TEST_CASE("a thread pool runs every task once, on its own threads") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (const int64_t count : {0, 1, 3, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
      std::atomic<int> strangers{0};
      pool.run(count, [&](int64_t task, int thread) {
        ++runs[static_cast<size_t>(task)];
        strangers += thread < 0 || thread >= threads;
      });
      int wrong = 0;
      for (const std::atomic<int>& n : runs) wrong += n != 1;
      CHECK(wrong == 0);
      CHECK(strangers == 0);
    }
  }
}

TEST_CASE("a thread pool makes do with the threads that the system grants") {
  std::atomic<int> runs{0};
  {
    const test::AddressSpaceLimit no_room_for_stacks(24 << 20);
    ThreadPool pool(64);
    CHECK(pool.threads() < 64);
    pool.run(100, [&](int64_t, int) { ++runs; });
  }
  CHECK(runs == 100);
}

TEST_CASE("two tasks of a pool of two run at the same time") {
  ThreadPool pool(2);
  std::atomic<int> arrived{0};
  pool.run(2, [&](int64_t, int) {  // each waits for the other: one thread alone would never return
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  CHECK(arrived == 2);
}

TEST_CASE("an exception of a task comes out of run, and the pool goes on") {
  ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_WITH_AS(pool.run(100,
                                  [](int64_t task, int) {
                                    if (task == 50) throw std::runtime_error("task 50");
                                  }),
                         "task 50", std::runtime_error);
  }
  std::atomic<int> runs{0};
  pool.run(100, [&](int64_t, int) { ++runs; });
  CHECK(runs == 100);
}

TEST_CASE("parallel_ranges covers [0, count) with ranges that depend on the grain alone") {
  ThreadPool pool(3);
  for (const int64_t count : {0, 1, 10, 11}) {
    std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
    std::atomic<int> wrong{0};
    cpu::parallel_ranges(cpu::stream_of(pool), count, 5, [&](int64_t begin, int64_t end) {
      wrong += begin % 5 != 0 || end != std::min<int64_t>(count, begin + 5);
      for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
    });
    for (const std::atomic<int>& n : visits) wrong += n != 1;
    CHECK(wrong == 0);
  }
}

TEST_CASE("a float64 sum is exact for integers, whatever its length, and the same on any number of threads") {
  ThreadPool pool(3);
  for (const int64_t count : {0, 1, 7, 8, 9, 8191, 8193, 3000000}) {
    const auto integer = [](int64_t i) { return static_cast<double>(i); };
    CHECK(cpu::parallel_sum(Stream{}, count, integer) == static_cast<double>(count) * (count - 1) / 2);
    const auto third = [](int64_t i) { return static_cast<double>(i) / 3; };
    CHECK(cpu::parallel_sum(Stream{}, count, third) == cpu::parallel_sum(cpu::stream_of(pool), count, third));
  }
}
