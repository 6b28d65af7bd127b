// Kernels with one planted bug each, and beside each the correct code that looks alike: the same text, which
// differs by one word under `kRight`. For test_check.cpp and its kin.
#pragma once
#include <string>
#include <vector>

#include "tests/emulator/emulator.h"

namespace swag::planted {

using Floats = std::vector<float>;

/// One side of a finding: block and thread along x, as one host thread finds it that runs blocks and threads
/// in order. A line of 0: none, for a thread that has returned.
struct Party {
  int line = 0;
  unsigned block = 0, thread = 0;
};

struct PlantedBug {
  std::string kernel;
  emulator::FindingKind kind;
  std::vector<Party> parties;  // one, or the two of a race or a missed barrier
  std::string value;           // a part of the finding's
  Floats (*run)(bool right);   // with the bug or without it; what the kernel left in its output
  Floats expected;             // of the correct code
  std::string architecture = "sm_90";
};

template <typename F>
Floats floats(int count, F&& value) {
  Floats values(count);
  for (int i = 0; i < count; ++i) values[i] = static_cast<float>(value(i));
  return values;
}

/// 1, 2, 3, ...
inline Floats numbers(int count) {
  return floats(count, [](int i) { return i + 1; });
}

// Races on shared memory: planted_races.cu.
PlantedBug missing_barrier();
PlantedBug reused_tile();  // the barrier before a loop writes its tile again
PlantedBug missing_syncwarp();
PlantedBug warp_reduction();
PlantedBug syncwarp_for_barrier();
PlantedBug shuffle_for_syncwarp();
PlantedBug two_writers();
PlantedBug shared_byte();  // against neighbouring bytes of one word
PlantedBug early_byte();   // a byte that its writer has followed by others of the word
PlantedBug late_write();   // to a word that all threads have read
PlantedBug plain_count();  // against an atomic one
PlantedBug early_count();  // an atomic count that is read before the barrier

// Races on device memory: planted_device_races.cu.
PlantedBug blocks_on_one_word();
PlantedBug blocks_on_one_byte();
PlantedBug blocks_adding();
PlantedBug missing_barrier_on_device_memory();
PlantedBug in_place();  // what one block writes another reads
PlantedBug last_block_without_fence();
PlantedBug last_block_with_early_fence();
PlantedBug last_block_of_many_writers();
PlantedBug zeroed_by_one_block();  // a count that all blocks add to

// cp.async: planted_copies.cu.
PlantedBug copy_not_waited_for();
PlantedBug stale_stage();  // one group too many may be pending
PlantedBug copy_without_barrier();
PlantedBug copy_into_read_tile();
PlantedBug misaligned_copy();
PlantedBug copy_beyond_the_end();

// mbarriers and bulk copies: planted_async.cu.
PlantedBug wrong_parity();
PlantedBug early_release();  // of a tile that a wgmma still reads
PlantedBug wrong_bytes();    // announced to an mbarrier
PlantedBug not_everyone_waits();
PlantedBug no_init_fence();
PlantedBug no_init();  // of an mbarrier
PlantedBug too_many_arrivals();
PlantedBug misaligned_bulk_copy();

// wgmma: planted_wgmma.cu.
PlantedBug wrong_stride();     // in a descriptor
PlantedBug unaligned_tile();   // a swizzle that does not begin where a descriptor says
PlantedBug different_tiles();  // of one warpgroup
PlantedBug no_proxy_fence();
PlantedBug overwritten_tile();
PlantedBug no_wgmma_fence();
PlantedBug sums_not_waited_for();
PlantedBug three_warps();  // of a warpgroup's four

// Bounds, alignment, unwritten memory: planted_memory.cu, planted_shared_memory.cu.
PlantedBug read_behind_end();
PlantedBug read_before_start();
PlantedBug write_behind_end();
PlantedBug word_over_end();
PlantedBug use_after_free();
PlantedBug misaligned_float4();
PlantedBug misaligned_shared_float2();
PlantedBug misaligned_double();
PlantedBug misaligned_ldg();
PlantedBug unwritten_device_memory();
PlantedBug host_pointer();
PlantedBug null_pointer();
PlantedBug pointer_in_struct();
PlantedBug part_of_arena();
PlantedBug unwritten_shared_memory();
PlantedBug left_by_earlier_block();
PlantedBug half_written_word();
PlantedBug count_from_nothing();
PlantedBug dynamic_behind_end();
PlantedBug dynamic_before_start();
PlantedBug dynamic_over_end();
PlantedBug dynamic_without_any();
PlantedBug static_write_behind_end();
PlantedBug static_read_before_start();
PlantedBug local_of_another_thread();

// Barriers and collectives: planted_barriers.cu.
PlantedBug barrier_in_branch();
PlantedBug early_return();
PlantedBug barriers_on_two_lines();
PlantedBug barriers_by_thread();  // a loop that not all threads go round as often
PlantedBug returned_lane();
PlantedBug foreign_mask();  // that does not name the caller
PlantedBug short_warp();
PlantedBug syncwarp_in_branch();
PlantedBug mixed_shuffles();
PlantedBug collective_against_barrier();
PlantedBug half_a_tensor_core();

// Launches: planted_launches.cu. No kernel runs, so there is a line only.
PlantedBug too_many_threads();
PlantedBug no_blocks();
PlantedBug too_much_shared();
PlantedBug too_much_shared_for_turing();
PlantedBug too_deep_block();

/// The kernel of docs/emulator.md with its barrier forgotten: shift.cu.
void run_shift();
/// 1, from a kernel that is allowed so many bytes of dynamic shared memory and gets them; throws where it may
/// not.
float shared_on_request(size_t bytes);
/// Host code that reads y[3] of device memory, and the line that does.
float read_on_host(const float* y);
int read_on_host_line();

}  // namespace swag::planted
