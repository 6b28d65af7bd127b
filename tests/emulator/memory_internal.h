// What the runtime needs of device memory beyond what kernels' checks do.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

/// False when a byte of it has never been written; `first` (may be null) then gets its address. True when not
/// checking.
bool is_written(const void* address, size_t bytes, uintptr_t* first);
/// A copy within device memory: what has never been written stays so.
void copy_written(const void* to, const void* from, size_t bytes);
/// After a change of options: `check_begins` when nothing was recorded before.
void memory_options_changed(bool check_begins);
/// For the handler of faults: whether asking about allocations would wait.
bool heap_is_free();

/// Says what was touched by whom when the program dies of SIGSEGV. Called by configure().
void install_fault_handler();
/// Gives the calling host thread a stack for that handler, once.
void ensure_fault_stack();

}  // namespace emulator
