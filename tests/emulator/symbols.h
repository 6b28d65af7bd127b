// Names for addresses of this program: functions, lines, shared arrays. Slow, remembered, for reports only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emulator {

struct SourceLine {
  std::string file;  // the innermost frame that is a .cu file (or the outermost frame), relative to the
                     // working folder
  int line = 0;
};
bool is_kernel_file(const std::string& file);  // a .cu
SourceLine source_line(const void* return_address);
/// Looks many up at once, which is much faster: source_line then knows them.
void load_source_lines(const std::vector<const void*>& return_addresses);

/// The demangled name of the function that begins at or holds `address`, without its parameters.
std::string function_name(const void* address);

/// Its mangled name.
std::string function_symbol(const void* function);
/// Where this program was loaded: its addresses are within 4 GiB of it.
uintptr_t program_base();

/// A `__shared__` array: an offset into the module's thread-local storage resolved to its symbol.
struct SharedArray {
  std::string name;      // "tile"
  std::string function;  // that declares it
  std::string symbol;    // that function's mangled name
  size_t offset = 0, bytes = 0;
};
/// All of this program, by offset.
const std::vector<SharedArray>& shared_arrays();
/// Is it, by its mangled name, a `__global__` function?
bool is_kernel(const std::string& symbol);
/// Bytes of the `__shared__` arrays that the function itself declares.
size_t static_shared_bytes(const void* function);

}  // namespace emulator
