#include "tests/emulator/describe.h"

#include <algorithm>
#include <cstdio>

#include "tests/emulator/memory.h"
#include "tests/emulator/symbols.h"

namespace emulator {
namespace {

std::string bytes_text(size_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

std::string inside(const std::string& name, size_t offset, unsigned bytes) {
  std::string text = name + " + " + bytes_text(offset);
  if (bytes > 0 && offset % bytes == 0) {
    text += " (element " + std::to_string(offset / bytes) + " of " + bytes_text(bytes) + ")";
  }
  return text;
}

std::string hex(uintptr_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%zx", static_cast<size_t>(address));
  return text;
}

/// ", of which the last 4 bytes are behind the end"
std::string sticking_out(const Access& access, uintptr_t end) {
  if (access.address + access.bytes <= end) return "";
  const size_t out = access.address + access.bytes - end;
  return ", of which the last " + bytes_text(out) + (out == 1 ? " is" : " are") + " behind the end";
}

/// Static shared memory, in terms of the arrays that this kernel can name.
std::string describe_static(const Access& access, const Launch& launch) {
  const size_t offset = access.address - running.shared.static_begin;
  const std::string kernel = function_symbol(launch.function);
  const SharedArray *before = nullptr, *behind = nullptr;
  for (const SharedArray& array : shared_arrays()) {
    if (offset - array.offset < array.bytes && (array.symbol == kernel || !is_kernel(array.symbol))) {
      const uintptr_t end = running.shared.static_begin + array.offset + array.bytes;
      return inside(array.name, offset - array.offset, access.bytes) + sticking_out(access, end);
    }
    if (array.symbol != kernel) continue;
    if (array.offset <= offset) before = &array;
    if (array.offset > offset && !behind) behind = &array;
  }
  if (!before && !behind) return "shared memory outside of any array";
  const size_t over = before ? offset - before->offset - before->bytes : SIZE_MAX;
  const size_t under = behind ? behind->offset - offset : SIZE_MAX;
  if (over <= under) return bytes_text(over) + " behind the end of " + before->name;
  return bytes_text(under) + " before " + behind->name;
}

/// The kernel's argument that points into [begin, end), the last one at or before the address: "argument 2",
/// counted from 1. Empty when there is none.
struct Argument {
  std::string name;
  uintptr_t address = 0;
};
Argument find_argument(const Launch& launch, uintptr_t begin, uintptr_t end, uintptr_t address) {
  Argument best;
  for (size_t i = 0; i < launch.pointers.size(); ++i) {
    const auto pointer = reinterpret_cast<uintptr_t>(launch.pointers[i]);
    if (!pointer || pointer < begin || pointer > end) continue;
    const bool before = pointer <= address, best_before = best.address <= address;
    const bool better = best.name.empty() || (before && !best_before) || (before && pointer > best.address);
    if (better) best = {"argument " + std::to_string(i + 1), pointer};
  }
  return best;
}

std::string allocated_at(const Allocation& allocation) {
  const SourceLine line = source_line(allocation.site);
  std::string text = bytes_text(allocation.bytes) + " allocated";
  if (line.line) text += " at " + line.file + ":" + std::to_string(line.line);
  return text;
}

}  // namespace

std::string describe_shared(const Access& access, const Launch& launch) {
  const SharedMemory& shared = running.shared;
  if (access.address - shared.static_begin < shared.static_end - shared.static_begin) {
    return describe_static(access, launch);
  }
  const size_t size = shared.dynamic_end - shared.dynamic_begin;
  const std::string of = " dynamic shared memory (" + bytes_text(size) + ")";
  if (access.address < shared.dynamic_begin) {
    return bytes_text(shared.dynamic_begin - access.address) + " before" + of;
  }
  const size_t offset = access.address - shared.dynamic_begin;
  if (offset >= size) return bytes_text(offset - size) + " behind the end of" + of;
  return inside("dynamic shared memory", offset, access.bytes) + sticking_out(access, shared.dynamic_end);
}

std::string describe_device(const Access& access, const Launch& launch) {
  const NamedRange named = find_name(access.address);
  if (!named.name.empty()) {
    return inside(named.name, access.address - named.begin, access.bytes) + ", which has " +
           bytes_text(named.bytes);
  }
  const Allocation* allocation = find_allocation(access.address);
  if (!allocation) return "address " + hex(access.address) + ", where nothing was allocated";
  const uintptr_t begin = allocation->address, end = begin + allocation->bytes;
  const Argument argument = find_argument(launch, begin, end, access.address);
  const std::string array =
      argument.name.empty() ? "allocation " + std::to_string(allocation->number) : argument.name;
  const std::string size = allocated_at(*allocation) + (allocation->freed ? ", freed since" : "");
  if (access.address >= end) {
    return bytes_text(access.address - end) + " behind the end of " + array + " (" + size + ")";
  }
  if (access.address < begin) {
    return bytes_text(begin - access.address) + " before the start of " + array + " (" + size + ")";
  }
  const uintptr_t origin =
      argument.name.empty() || argument.address > access.address ? begin : argument.address;
  return inside(array, access.address - origin, access.bytes) + sticking_out(access, end) + ", " + size;
}

std::string describe_elsewhere(const Access& access, const Thread& thread) {
  const Block& block = *thread.block;
  if (access.address < 65536) return "address " + hex(access.address) + ": a null pointer";
  for (unsigned i = 0; i < block.size; ++i) {
    const Thread& other = block.threads[i];
    if (access.address - other.stack_begin < other.stack_end - other.stack_begin) {
      return "a local variable of thread (" + std::to_string(other.index.x) + "," +
             std::to_string(other.index.y) + "," + std::to_string(other.index.z) +
             "): local memory is its thread's own";
    }
  }
  constexpr uintptr_t kNear = uintptr_t{1} << 30;
  const Argument argument = find_argument(*block.launch, access.address - std::min(access.address, kNear),
                                          access.address, access.address);
  if (argument.name.empty()) return "host memory at " + hex(access.address);
  return "host memory: " + inside(argument.name, access.address - argument.address, access.bytes);
}

}  // namespace emulator
