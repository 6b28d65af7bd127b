// Every check, on kernels with one planted bug each and on correct ones that look alike.
#include "tests/emulator/check_planted.h"

using namespace swag::planted;

TEST_CASE("a race is found where __syncthreads is missing") {
  check_planted(missing_barrier());
  check_planted(reused_tile());
  check_planted(missing_barrier_on_device_memory());
  check_planted(late_write());
}

TEST_CASE("a race within a warp is found where __syncwarp is missing") {
  check_planted(missing_syncwarp());
  check_planted(warp_reduction());
}

TEST_CASE("__syncwarp does not order two warps") { check_planted(syncwarp_for_barrier()); }

TEST_CASE("a shuffle does not order memory") { check_planted(shuffle_for_syncwarp()); }

TEST_CASE("two threads that write one word race, and neighbours do not") { check_planted(two_writers()); }

TEST_CASE("threads that write different bytes of a word do not race") {
  check_planted(shared_byte());
  check_planted(blocks_on_one_byte());
  check_planted(early_byte());
}

TEST_CASE("counting needs atomics, and a barrier before the count is read") {
  check_planted(plain_count());
  check_planted(early_count());
  check_planted(count_from_nothing());
}

TEST_CASE("blocks that write one word of device memory race, unless by atomics") {
  check_planted(blocks_on_one_word());
  check_planted(blocks_adding());
}

TEST_CASE("a block may not read what another one writes, but a later launch may") {
  check_planted(in_place());
}

TEST_CASE("the last block may read all parts when their writers have fenced before they counted") {
  check_planted(last_block_without_fence());
  check_planted(last_block_with_early_fence());
  check_planted(last_block_of_many_writers());
}

TEST_CASE("a barrier of one block does not hold the others back from what it zeroes") {
  check_planted(zeroed_by_one_block());
}

TEST_CASE("the data of cp.async is there after its group has been waited for") {
  check_planted(copy_not_waited_for());
  check_planted(stale_stage());
}

TEST_CASE("cp.async writes at any moment between its start and the wait, and other threads need a barrier") {
  check_planted(copy_without_barrier());
  check_planted(copy_into_read_tile());
}

TEST_CASE("cp.async keeps to alignment and bounds like any access") {
  check_planted(misaligned_copy());
  check_planted(copy_beyond_the_end());
}

TEST_CASE("a bulk copy is there for those who have waited for the right phase of its mbarrier") {
  check_planted(wrong_parity());
  check_planted(not_everyone_waits());
  check_planted(misaligned_bulk_copy());
}

TEST_CASE("a wait at an mbarrier that never ends is found, with what is lacking") {
  check_planted(wrong_bytes());
}

TEST_CASE("an mbarrier must be initialised, fenced before a copy completes on it, and counts its arrivals") {
  check_planted(no_init());
  check_planted(no_init_fence());
  check_planted(too_many_arrivals());
}

TEST_CASE("what wgmma reads must be fenced, and left alone until it has been waited for") {
  check_planted(no_proxy_fence());
  check_planted(early_release());
  check_planted(overwritten_tile());
}

TEST_CASE("wgmma takes descriptors of whole tiles only") {
  check_planted(wrong_stride());
  check_planted(unaligned_tile());
  check_planted(different_tiles());
}

TEST_CASE("registers of a wgmma are fenced before it and waited for after it") {
  check_planted(no_wgmma_fence());
  check_planted(sums_not_waited_for());
}

TEST_CASE("wgmma needs all warps of its group") { check_planted(three_warps()); }

TEST_CASE("an access outside of an array of device memory is found") {
  check_planted(read_behind_end());
  check_planted(read_before_start());
  check_planted(write_behind_end());
  check_planted(word_over_end());
  check_planted(pointer_in_struct());
}

TEST_CASE("an access to freed memory is found") { check_planted(use_after_free()); }

TEST_CASE("an address that is no multiple of the access's size is found") {
  check_planted(misaligned_float4());
  check_planted(misaligned_shared_float2());
  check_planted(misaligned_double());
  check_planted(misaligned_ldg());
}

TEST_CASE("reading device memory that nobody wrote is found") {
  check_planted(unwritten_device_memory());
  check_planted(part_of_arena());
}

TEST_CASE("reading shared memory that this block did not write is found") {
  check_planted(unwritten_shared_memory());
  check_planted(left_by_earlier_block());
  check_planted(half_written_word());
}

TEST_CASE("an access outside of dynamic shared memory is found") {
  check_planted(dynamic_behind_end());
  check_planted(dynamic_before_start());
  check_planted(dynamic_over_end());
  check_planted(dynamic_without_any());
}

TEST_CASE("an access to shared memory that the kernel does not have is found") {
  check_planted(static_write_behind_end());
  check_planted(static_read_before_start());
}

TEST_CASE("a kernel may follow a pointer to pinned memory, to no other of the host's") {
  check_planted(host_pointer());
  check_planted(null_pointer());
}

TEST_CASE("a thread's local variables are its own") { check_planted(local_of_another_thread()); }

TEST_CASE("a barrier that some threads do not reach is found") {
  check_planted(barrier_in_branch());
  check_planted(early_return());
  check_planted(barriers_by_thread());
}

TEST_CASE("a barrier must be the same for all threads") { check_planted(barriers_on_two_lines()); }

TEST_CASE("a warp collective whose mask names a lane that does not come is found") {
  check_planted(returned_lane());
  check_planted(short_warp());
  check_planted(syncwarp_in_branch());
  check_planted(collective_against_barrier());
  check_planted(half_a_tensor_core());
}

TEST_CASE("a warp collective must be the same for all its lanes, and name the caller") {
  check_planted(mixed_shuffles());
  check_planted(foreign_mask());
}

TEST_CASE("a launch beyond the architecture's limits is found") {
  check_planted(too_many_threads());
  check_planted(no_blocks());
  check_planted(too_much_shared());
  check_planted(too_much_shared_for_turing());
  check_planted(too_deep_block());
}
