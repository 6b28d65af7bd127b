// What the lanes of a warp cost when they access memory together, and the counts of a launch.
//
// Lanes run one after the other, so a warp's requests are put together afterwards: a lane's access belongs to
// the request of its site (the instruction) and its round (how often the lane has jumped back to an earlier
// site). Where the lanes of a warp disagree on the number of rounds, its n-th visit of the site is taken
// instead. Both depend on what a lane did since the last barrier and on nothing else, so counts are the same
// in every order of lanes and blocks.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tests/emulator/access.h"
#include "tests/emulator/engine.h"

namespace emulator {

constexpr unsigned kSectorBytes = 32;
constexpr unsigned kBanks = 32;         // of shared memory, of 4 bytes each
constexpr unsigned kWidestAccess = 16;  // of one lane; longer ones are counted in pieces

/// One instruction of a warp: the addresses of the lanes in `mask`, `bytes` (at most 16) each.
struct Request {
  uint32_t mask = 0;
  unsigned bytes = 0;
  uintptr_t address[kWarpSize] = {};
};

/// Sectors or wavefronts.
struct Cost {
  uint64_t moved = 0, fewest = 0;
};

/// The distinct sectors of a request, and which of their bytes are touched.
struct SectorSet {
  unsigned count = 0;
  uintptr_t sector[2 * kWarpSize];  // address / 32
  uint32_t bytes[2 * kWarpSize];    // bit i: byte i of the sector
};
void find_sectors(const Request& request, SectorSet* sectors);

/// Device memory: sectors touched, against as many as would hold the distinct bytes.
Cost sector_cost(const SectorSet& sectors);

/// Shared memory: lanes are served in groups of 32 (up to 4 bytes each), 16 (8 bytes) or 8 (16 bytes). A
/// group takes as many wavefronts as the busiest bank has distinct words; the lanes of an atomic on one word
/// take turns as well.
Cost wavefront_cost(const Request& request, bool atomic);

/// Called for every block; they do nothing unless options().count holds. On the host thread that runs the
/// block.
void count_block_begins(Block& block);
void count_passes_barrier(Block& block);
void count_block_ends(Block& block);

}  // namespace emulator
