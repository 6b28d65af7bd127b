// Counts that can be worked out by hand: sectors, wavefronts, requests, distinct bytes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/emulator/count.h"
#include "tests/emulator/count_cases.h"
#include "tests/emulator/count_json.h"
#include "tests/emulator/count_log.h"
#include "tests/emulator/emulator.h"

using namespace emulator;
namespace cases = swag::count_cases;

namespace {

template <typename AddressOf>
Request request_of(unsigned bytes, uint32_t mask, AddressOf&& address_of) {
  Request request;
  request.bytes = bytes;
  request.mask = mask;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) request.address[lane] = 4096 + address_of(lane);
  return request;
}
Cost sectors(const Request& request) {
  SectorSet set;
  find_sectors(request, &set);
  return sector_cost(set);
}
constexpr uint32_t kAll = 0xffffffffu;

bool is(const Cost& cost, uint64_t moved, uint64_t fewest) {
  CAPTURE(cost.moved);
  CAPTURE(cost.fewest);
  CHECK(cost.moved == moved);
  CHECK(cost.fewest == fewest);
  return cost.moved == moved && cost.fewest == fewest;
}

/// The counts of the one kernel that `launches` runs.
template <typename Launches>
KernelCount count_of(Launches&& launches, unsigned workers = 1, uint64_t shuffle = 0) {
  Options counting;
  counting.count = true;
  counting.workers = workers;
  counting.shuffle = shuffle;
  configure(counting);
  take_counts();
  launches();
  std::vector<KernelCount> counts = take_counts();
  configure(Options());
  REQUIRE(counts.size() == 1);
  return counts[0];
}

void check_sectors(const KernelCount& count, uint64_t moved, uint64_t fewest) {
  is({count.sectors, count.fewest_sectors}, moved, fewest);
}
void check_wavefronts(const KernelCount& count, uint64_t moved, uint64_t fewest) {
  is({count.wavefronts, count.fewest_wavefronts}, moved, fewest);
}

bool same(const LineCount& a, const LineCount& b) {
  return a.kernel == b.kernel && a.file == b.file && a.line == b.line && a.shared == b.shared &&
         a.write == b.write && a.atomic == b.atomic && a.requests == b.requests && a.lanes == b.lanes &&
         a.moved == b.moved && a.fewest == b.fewest;
}
bool same(const KernelCount& a, const KernelCount& b) {
  return a.kernel == b.kernel && a.launches == b.launches && a.blocks == b.blocks && a.threads == b.threads &&
         a.barriers == b.barriers && a.sectors == b.sectors && a.fewest_sectors == b.fewest_sectors &&
         a.wavefronts == b.wavefronts && a.fewest_wavefronts == b.fewest_wavefronts &&
         a.partial_requests == b.partial_requests && a.distinct_bytes == b.distinct_bytes &&
         std::equal(a.lines.begin(), a.lines.end(), b.lines.begin(), b.lines.end(),
                    [](const LineCount& x, const LineCount& y) { return same(x, y); });
}

}  // namespace

TEST_CASE("a request to device memory moves the sectors that its lanes touch") {
  is(sectors(request_of(4, kAll, [](unsigned i) { return 4 * i; })), 4, 4);
  is(sectors(request_of(4, kAll, [](unsigned i) { return 4 * (31 - i); })), 4, 4);
  is(sectors(request_of(4, kAll, [](unsigned i) { return 4 * i + 4; })), 5, 4);
  is(sectors(request_of(4, kAll, [](unsigned i) { return 8 * i; })), 8, 4);
  is(sectors(request_of(4, kAll, [](unsigned i) { return 32 * i; })), 32, 4);
  is(sectors(request_of(4, kAll, [](unsigned) { return 8u; })), 1, 1);
  is(sectors(request_of(16, kAll, [](unsigned i) { return 16 * i; })), 16, 16);
  is(sectors(request_of(1, kAll, [](unsigned i) { return i; })), 1, 1);
  is(sectors(request_of(1, kAll, [](unsigned i) { return 32 * i; })), 32, 1);
  is(sectors(request_of(8, 1, [](unsigned) { return 28u; })), 2, 1);  // across two sectors
  is(sectors(request_of(4, 0x55555555u, [](unsigned i) { return 4 * i; })), 4, 2);
  is(sectors(request_of(4, kAll, [](unsigned i) { return i % 2 * 512 + i / 2 * 4; })), 4,
     4);  // two rows, in turns
}

TEST_CASE("a request to shared memory takes a wavefront per word of the busiest bank") {
  const auto cost = [](unsigned bytes, uint32_t mask, auto&& address_of, bool atomic = false) {
    return wavefront_cost(request_of(bytes, mask, address_of), atomic);
  };
  is(cost(4, kAll, [](unsigned i) { return 4 * i; }), 1, 1);
  is(cost(4, kAll, [](unsigned i) { return 4 * i + 64; }), 1, 1);
  is(cost(4, kAll, [](unsigned i) { return 8 * i; }), 2, 1);
  is(cost(4, kAll, [](unsigned i) { return 128 * i; }), 32, 1);
  is(cost(4, kAll, [](unsigned i) { return 132 * i; }), 1, 1);
  is(cost(4, kAll, [](unsigned) { return 12u; }), 1, 1);
  is(cost(4, kAll, [](unsigned i) { return i % 2 * 128; }), 2, 1);  // two words of a bank, each a broadcast
  is(cost(1, kAll, [](unsigned i) { return i; }), 1, 1);
  is(cost(2, kAll, [](unsigned i) { return 2 * i; }), 1, 1);
  is(cost(8, kAll, [](unsigned i) { return 8 * i; }), 2, 2);
  is(cost(8, 0xffffu, [](unsigned i) { return 8 * i; }), 1, 1);
  is(cost(8, kAll, [](unsigned i) { return 16 * i; }), 4, 2);
  is(cost(16, kAll, [](unsigned i) { return 16 * i; }), 4, 4);
  is(cost(16, 0x00ff00ffu, [](unsigned i) { return 16 * i; }), 2, 2);
  is(cost(16, kAll, [](unsigned i) { return 32 * i; }), 8, 4);
  is(cost(16, kAll, [](unsigned i) { return 128 * i; }), 32, 4);
  is(cost(
         4, kAll, [](unsigned) { return 12u; }, true),
     32, 1);  // an atomic: no broadcast
  is(cost(
         4, kAll, [](unsigned i) { return 4 * i; }, true),
     1, 1);
  is(cost(
         4, kAll, [](unsigned i) { return i / 4 * 4; }, true),
     4, 1);
}

TEST_CASE("lanes are put together in whatever order they come, and at any addresses") {
  const auto site = [](uintptr_t number) { return reinterpret_cast<const void*>(number); };
  const auto address = [](unsigned visit, unsigned lane) -> uintptr_t {
    return visit == 0 ? 1000 - 4 * lane : visit == 1 ? 77 : 5000 + lane * lane * 8;
  };
  for (const unsigned step : {1u, 31u, 7u}) {
    CAPTURE(step);
    WarpLog log;
    for (unsigned turn = 0; turn < kWarpSize; ++turn) {
      const unsigned lane = turn * step % kWarpSize;
      for (unsigned visit = 0; visit < 3; ++visit) log.add(5, site(50), lane, address(visit, lane));
    }
    unsigned visit = 0, wrong = 0;
    log.flush([&](uint32_t number, const Request& request) {
      wrong += number != 5 || request.mask != kAll;
      for (unsigned lane = 0; lane < kWarpSize; ++lane)
        wrong += request.address[lane] != address(visit, lane);
      ++visit;
    });
    CHECK(visit == 3);
    CHECK(wrong == 0);
    log.flush([&](uint32_t, const Request&) { ++visit; });
    CHECK(visit == 3);
  }
}

TEST_CASE("a copy moves what it needs, and more when it is strided or misaligned") {
  const KernelCount whole = count_of([] { cases::copy(1, 0); });
  check_sectors(whole, 256, 256);
  CHECK(whole.distinct_bytes == 8192);
  CHECK(whole.launches == 1);
  CHECK(whole.blocks == 4);
  CHECK(whole.threads == 1024);
  CHECK(whole.barriers == 0);
  CHECK(whole.partial_requests == 0);
  CHECK(whole.kernel.find("copy_kernel") != std::string::npos);
  REQUIRE(whole.lines.size() == 2);  // the read and the write of one line
  CHECK(whole.lines[0].requests == 32);
  CHECK(whole.lines[0].lanes == 1024);
  CHECK(whole.lines[0].write != whole.lines[1].write);
  CHECK(whole.lines[0].file.find("count_cases.cu") != std::string::npos);

  check_sectors(count_of([] { cases::copy(2, 0); }), 256 + 128, 256);
  check_sectors(count_of([] { cases::copy(8, 0); }), 1024 + 128, 256);
  check_sectors(count_of([] { cases::copy(1, 1); }), 160 + 128, 256);
  check_sectors(count_of([] { cases::copy(0, 3); }), 32 + 128, 32 + 128);
}

TEST_CASE("a transpose is uncoalesced, or has bank conflicts, or neither") {
  check_sectors(count_of(cases::transpose_naive), 128 + 1024, 256);
  const KernelCount plain = count_of([] { cases::transpose_shared(0); });
  check_sectors(plain, 256, 256);
  check_wavefronts(plain, 1056, 64);
  CHECK(plain.barriers == 1);
  CHECK(plain.static_shared == 4096);
  const KernelCount padded = count_of([] { cases::transpose_shared(1); });
  check_sectors(padded, 256, 256);
  check_wavefronts(padded, 64, 64);
  CHECK(padded.static_shared == 4224);
}

TEST_CASE("lanes that read the same word share it") {
  const KernelCount count = count_of(cases::broadcast);
  check_sectors(count, 1 + 4, 1 + 4);
  check_wavefronts(count, 2, 2);
  CHECK(count.partial_requests == 1);  // lane 0 writes the word
  CHECK(count.distinct_bytes == 4 + 128);
}

TEST_CASE("vectors are served by halves and quarters of a warp") {
  check_wavefronts(count_of([] { cases::shared_pairs(1); }), 4, 4);  // a write and a read
  check_wavefronts(count_of([] { cases::shared_pairs(2); }), 8, 4);
  check_wavefronts(count_of([] { cases::shared_quads(1); }), 8, 8);
  check_wavefronts(count_of([] { cases::shared_quads(2); }), 16, 8);
  const KernelCount device = count_of(cases::device_quads);
  check_sectors(device, 32, 32);
  CHECK(device.lines.size() == 2);
  CHECK(device.lines[0].requests == 1);
}

TEST_CASE("bytes of a word are one word") {
  const KernelCount count = count_of(cases::shared_bytes);
  check_wavefronts(count, 2, 2);
  check_sectors(count, 2, 2);
  CHECK(count.distinct_bytes == 64);
}

TEST_CASE("lanes that are off cost sectors and show as divergence") {
  const KernelCount count = count_of(cases::odd_lanes);
  check_sectors(count, 8, 4);
  CHECK(count.partial_requests == 2);
  CHECK(count.lines[0].lanes == 16);
}

TEST_CASE("atomics on one word of shared memory take turns") {
  const KernelCount count = count_of(cases::atomics);
  check_wavefronts(count, 1 + 32, 1 + 1);
  check_sectors(count, 1, 1);
  CHECK(std::count_if(count.lines.begin(), count.lines.end(), [](const LineCount& l) { return l.atomic; }) ==
        2);
}

TEST_CASE("every visit of a loop is a request") {
  const KernelCount count = count_of([] { cases::many_visits(500); });
  check_sectors(count, 2000 + 4, 2000 + 4);
  CHECK(count.distinct_bytes == 64000 + 128);
}

TEST_CASE("two accesses of one line are two requests of that line") {
  const KernelCount count = count_of(cases::unrolled);
  check_sectors(count, 12, 12);
  const auto read =
      std::find_if(count.lines.begin(), count.lines.end(), [](const LineCount& l) { return !l.write; });
  REQUIRE(read != count.lines.end());
  CHECK(read->line == cases::unrolled_line());
  CHECK(read->requests == 2);
}

TEST_CASE("lanes that leave out a turn of a loop keep their place in it") {
  const KernelCount count = count_of(cases::borders);
  check_sectors(count, 3 * 4 + 3 + 4, 3 * 4 + 3 + 4);
  CHECK(count.partial_requests == 2);
}

TEST_CASE("loops of different length do not disturb what all lanes do") {
  const KernelCount count = count_of(cases::inner_loops);
  CHECK(count.partial_requests > 0);
  uint64_t whole = 0, inner = 0, lanes = 0;
  for (const LineCount& line : count.lines) {
    if (line.lanes == 32 * line.requests) {
      whole += line.requests;
      CHECK(line.moved == 4 * line.requests);
    } else {
      inner += line.requests;
      lanes += line.lanes;
    }
  }
  CHECK(whole == 10 + 1);
  CHECK(inner == 30);
  CHECK(lanes == 10 * (11 * 1 + 11 * 2 + 10 * 3));
}

TEST_CASE("half a warp is whole when the block has no more") {
  const KernelCount count = count_of([] { cases::barriers(48); });
  CHECK(count.partial_requests == 0);
  CHECK(count.blocks == 5);
  CHECK(count.threads == 240);
  CHECK(count.barriers == 15);
  check_wavefronts(count, 5 * 8, 5 * 8);
  check_sectors(count, 5 * 6, 5 * 6);
  CHECK(count.distinct_bytes == 960);
}

TEST_CASE("counts do not depend on the number of host threads or the order of blocks and lanes") {
  const auto launches = {+[] { cases::copy(3, 1, 13, 128); }, +[] { cases::barriers(64); },
                         +[] { cases::transpose_shared(0); }, +[] { cases::inner_loops(); },
                         +[] { cases::borders(); }};
  for (const auto launch : launches) {
    const KernelCount one = count_of(launch);
    CAPTURE(one.kernel);
    for (const unsigned workers : {1u, 2u, 5u}) {
      for (const uint64_t shuffle : {0u, 1u, 99u}) CHECK(same(one, count_of(launch, workers, shuffle)));
    }
  }
}

TEST_CASE("launches of a kernel add up, kernels are apart, and taking counts forgets them") {
  Options counting;
  counting.count = true;
  configure(counting);
  take_counts();
  cases::copy(1, 0);
  cases::borders();
  cases::copy(1, 0);
  const std::vector<KernelCount> counts = take_counts();
  configure(Options());
  REQUIRE(counts.size() == 2);
  CHECK(counts[0].launches == 2);
  check_sectors(counts[0], 512, 512);
  CHECK(counts[0].distinct_bytes == 16384);  // of each launch
  CHECK(counts[1].launches == 1);
  CHECK(take_counts().empty());
  cases::copy(1, 0);  // not counted
  CHECK(take_counts().empty());
}

TEST_CASE("counts are written as JSON") {
  ReportCase report;
  report.name = "a \"name\"\n";
  report.fast = true;
  report.multiply_adds = 3e10;
  KernelCount kernel;
  kernel.kernel = "k<1>";
  kernel.sectors = 7;
  kernel.lines.resize(1);
  kernel.lines[0].file = "a\\b.cu";
  report.kernels = {kernel};
  char* text = nullptr;
  size_t size = 0;
  std::FILE* file = open_memstream(&text, &size);
  write_counts_json(file, {report, ReportCase()});
  std::fclose(file);
  const std::string json(text, size);
  std::free(text);
  CHECK(json.find(R"("name": "a \"name\"\u000a", "fast": true, "multiply_adds": 30000000000,)") !=
        std::string::npos);
  CHECK(json.find(R"("kernel": "k<1>", "launches": 0)") != std::string::npos);
  CHECK(json.find(R"("sectors": 7)") != std::string::npos);
  CHECK(json.find(R"("file": "a\\b.cu")") != std::string::npos);
}
