#include "tests/emulator/count_log.h"

#include <algorithm>

namespace emulator {

void WarpLog::add(uint32_t number, const void* site, unsigned lane, uintptr_t address) {
  const auto place = reinterpret_cast<uintptr_t>(site);
  round_[lane] += place <= last_site_[lane];
  last_site_[lane] = place;
  active_ |= 1u << lane;
  if (number >= sites_.size()) sites_.resize(number + 1);
  SiteLog& log = sites_[number];
  if (log.first < 0) used_.push_back(number);
  const uint32_t round = round_[lane];
  int32_t previous = log.latest[lane];
  int32_t at = previous < 0 ? log.first : records_[static_cast<size_t>(previous)].next;
  while (at >= 0 && records_[static_cast<size_t>(at)].round < round) {
    previous = at;
    at = records_[static_cast<size_t>(at)].next;
  }
  if (at < 0 || records_[static_cast<size_t>(at)].round != round) at = new_record(previous, log, round);
  set_address(records_[static_cast<size_t>(at)], lane, address);
  log.latest[lane] = at;
}

int32_t WarpLog::new_record(int32_t previous, SiteLog& log, uint32_t round) {
  const auto at = static_cast<int32_t>(records_.size());
  records_.emplace_back();
  int32_t& link = previous < 0 ? log.first : records_[static_cast<size_t>(previous)].next;
  records_.back().round = round;
  records_.back().next = link;
  link = at;
  return at;
}

void WarpLog::set_address(Record& record, unsigned lane, uintptr_t address) {
  const uint32_t mask = record.mask;
  record.mask |= 1u << lane;
  if (mask == 0) {
    record.base = address;
    return;
  }
  if (record.spread < 0) {
    const auto step = static_cast<int64_t>(record.stride);
    if ((mask & (mask - 1)) == 0) {  // two lanes make a progression
      const int first = __builtin_ctz(mask), steps = static_cast<int>(lane) - first;
      const auto distance = static_cast<int64_t>(address - record.base);
      const int64_t stride = distance / steps;
      if (stride * steps == distance && stride == static_cast<int32_t>(stride)) {
        record.stride = static_cast<int32_t>(stride);
        record.base -= static_cast<uintptr_t>(stride * first);
        return;
      }
    } else if (address == record.base + static_cast<uintptr_t>(step * lane)) {
      return;
    }
    Request request;
    get_addresses(record, &request);
    record.spread = static_cast<int32_t>(spread_.size());
    spread_.emplace_back();
    std::copy(request.address, request.address + kWarpSize, spread_.back().begin());
  }
  spread_[static_cast<size_t>(record.spread)][lane] = address;
}

void WarpLog::get_addresses(const Record& record, Request* request) const {
  request->mask = record.mask;
  if (record.spread >= 0) {
    const auto& addresses = spread_[static_cast<size_t>(record.spread)];
    std::copy(addresses.begin(), addresses.end(), request->address);
    return;
  }
  const auto step = static_cast<uintptr_t>(static_cast<int64_t>(record.stride));
  for (unsigned lane = 0; lane < kWarpSize; ++lane) request->address[lane] = record.base + step * lane;
}

bool WarpLog::lanes_agree() const {
  if (!active_) return true;
  const uint32_t round = round_[static_cast<size_t>(__builtin_ctz(active_))];
  for (uint32_t rest = active_; rest; rest &= rest - 1) {
    if (round_[static_cast<size_t>(__builtin_ctz(rest))] != round) return false;
  }
  return true;
}

void WarpLog::align_by_visits(const SiteLog& log) {
  std::array<size_t, kWarpSize> seen = {};
  visits_.clear();
  Request request;
  for (int32_t i = log.first; i >= 0; i = records_[static_cast<size_t>(i)].next) {
    get_addresses(records_[static_cast<size_t>(i)], &request);
    for (uint32_t rest = request.mask; rest; rest &= rest - 1) {
      const auto lane = static_cast<size_t>(__builtin_ctz(rest));
      const size_t visit = seen[lane]++;
      if (visit == visits_.size()) visits_.emplace_back();
      visits_[visit].mask |= 1u << lane;
      visits_[visit].address[lane] = request.address[lane];
    }
  }
}

void WarpLog::clear() {
  for (const uint32_t number : used_) sites_[number] = SiteLog();
  used_.clear();
  records_.clear();
  spread_.clear();
  active_ = 0;
  last_site_.fill(0);
  round_.fill(0);
}

}  // namespace emulator
