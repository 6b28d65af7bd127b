// Requests of one warp while they are put together, and their sums per instruction.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "tests/emulator/count.h"

namespace emulator {

/// An instruction, and what was counted of it.
struct SiteCount {
  const void* site = nullptr;
  uint8_t bytes = 0;
  AccessKind kind = AccessKind::kRead;
  bool shared = false;
  uint64_t requests = 0, lanes = 0, partial = 0, moved = 0, fewest = 0;

  void add(const SiteCount& other) {
    requests += other.requests;
    lanes += other.lanes;
    partial += other.partial;
    moved += other.moved;
    fewest += other.fewest;
  }
};

/// The requests of a warp since the last barrier, per instruction and in the order of their rounds.
class WarpLog {
 public:
  /// `number` is the instruction's.
  void add(uint32_t number, const void* site, unsigned lane, uintptr_t address);
  /// Calls consume(number, request) for every request, then forgets them. The request's `bytes` is not set.
  template <typename Consume>
  void flush(Consume&& consume);
  void clear();

 private:
  // Lanes mostly touch addresses in arithmetic progression: then `base` is lane 0's, else the index of a
  // list.
  struct Record {
    uintptr_t base = 0;
    int32_t stride = 0;
    uint32_t mask = 0;
    uint32_t round = 0;
    int32_t next = -1;    // of the same instruction, in a later round
    int32_t spread = -1;  // index of spread_ where there is no progression
  };
  struct SiteLog {
    int32_t first = -1;
    std::array<int32_t, kWarpSize> latest;  // of each lane
    SiteLog() { latest.fill(-1); }
  };

  int32_t new_record(int32_t previous, SiteLog& log, uint32_t round);
  void set_address(Record& record, unsigned lane, uintptr_t address);
  void get_addresses(const Record& record, Request* request) const;
  bool lanes_agree() const;
  void align_by_visits(const SiteLog& log);

  std::vector<SiteLog> sites_;  // by number
  std::vector<uint32_t> used_;  // numbers
  std::vector<Record> records_;
  std::vector<std::array<uintptr_t, kWarpSize>> spread_;
  std::vector<Request> visits_;  // scratch
  uint32_t active_ = 0;          // lanes with an access
  std::array<uintptr_t, kWarpSize> last_site_ = {};
  std::array<uint32_t, kWarpSize> round_ = {};
};

template <typename Consume>
void WarpLog::flush(Consume&& consume) {
  const bool by_round = lanes_agree();
  Request request;
  for (const uint32_t number : used_) {
    const SiteLog& log = sites_[number];
    if (by_round) {
      for (int32_t i = log.first; i >= 0; i = records_[static_cast<size_t>(i)].next) {
        get_addresses(records_[static_cast<size_t>(i)], &request);
        consume(number, request);
      }
    } else {
      align_by_visits(log);
      for (Request& visit : visits_) consume(number, visit);
    }
  }
  clear();
}

}  // namespace emulator
