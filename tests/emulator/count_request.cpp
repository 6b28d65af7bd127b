// The rules by which a GPU serves a warp's request.
#include <algorithm>

#include "tests/emulator/count.h"

namespace emulator {

void find_sectors(const Request& request, SectorSet* sectors) {
  unsigned count = 0, at = 0;
  for (uint32_t rest = request.mask; rest; rest &= rest - 1) {
    uintptr_t address = request.address[__builtin_ctz(rest)];
    unsigned bytes = request.bytes;
    while (bytes > 0) {
      const uintptr_t sector = address / kSectorBytes;
      const unsigned offset = address % kSectorBytes, part = std::min(bytes, kSectorBytes - offset);
      // Neighbours mostly share a sector or go on with a new one.
      if (count == 0 || sectors->sector[at] != sector) {
        for (at = count; at > 0 && sectors->sector[at - 1] != sector;) --at;
        if (at > 0) {
          --at;
        } else {
          at = count++;
          sectors->sector[at] = sector;
          sectors->bytes[at] = 0;
        }
      }
      sectors->bytes[at] |= static_cast<uint32_t>(((uint64_t{1} << part) - 1) << offset);
      address += part;
      bytes -= part;
    }
  }
  sectors->count = count;
}

Cost sector_cost(const SectorSet& sectors) {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < sectors.count; ++i)
    bytes += static_cast<unsigned>(__builtin_popcount(sectors.bytes[i]));
  return {sectors.count, (bytes + kSectorBytes - 1) / kSectorBytes};
}

namespace {

/// Wavefronts of the lanes in `mask`, which are served together.
unsigned group_wavefronts(const Request& request, uint32_t mask, bool atomic) {
  constexpr unsigned kMostWords = kWarpSize * 2 + 8 * 5;  // misaligned accesses reach into one word more
  uintptr_t word_of[kMostWords];
  int8_t next[kMostWords], first[kBanks];
  unsigned load[kBanks] = {}, count = 0, busiest = 0;
  std::fill(first, first + kBanks, int8_t{-1});
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    const uintptr_t address = request.address[__builtin_ctz(rest)];
    for (uintptr_t word = address / 4; word <= (address + request.bytes - 1) / 4; ++word) {
      const unsigned bank = word % kBanks;
      bool known = false;
      for (int i = first[bank]; i >= 0 && !atomic && !known; i = next[i]) known = word_of[i] == word;
      if (known) continue;  // a broadcast
      word_of[count] = word;
      next[count] = first[bank];
      first[bank] = static_cast<int8_t>(count++);
      busiest = std::max(busiest, ++load[bank]);
    }
  }
  return busiest;
}

}  // namespace

Cost wavefront_cost(const Request& request, bool atomic) {
  const unsigned lanes = request.bytes <= 4 ? 32 : request.bytes <= 8 ? 16 : 8;
  const uint32_t group = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
  Cost cost;
  for (unsigned begin = 0; begin < kWarpSize; begin += lanes) {
    const uint32_t mask = request.mask & group << begin;
    if (!mask) continue;
    cost.moved += group_wavefronts(request, mask, atomic);
    ++cost.fewest;
  }
  return cost;
}

}  // namespace emulator
