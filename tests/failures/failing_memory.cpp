// Preloaded before a program, it lets one allocation of its C++ code fail, once main() has begun.
//
//   FAIL_CALL=K    the K-th allocation throws std::bad_alloc, from 1
//   FAIL_FROM=N    of those of at least N bytes
//   FAIL_ON=1      and so does every one after it
//   FAIL_COUNT=FILE  gets the number of allocations, when the program ends
#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> calls{0};
long failing_call = 0, smallest = 0;
bool from_then_on = false;
const char* count_file = nullptr;
int (*program_main)(int, char**, char**) = nullptr;

long number(const char* name) {
  const char* text = std::getenv(name);
  return text ? std::atol(text) : 0;
}

void write_count() {
  const long count = calls;
  if (FILE* file = std::fopen(count_file, "w")) {
    std::fprintf(file, "%ld\n", count);
    std::fclose(file);
  }
}

int counted_main(int argc, char** argv, char** environment) {
  smallest = number("FAIL_FROM");
  from_then_on = number("FAIL_ON") != 0;
  count_file = std::getenv("FAIL_COUNT");
  failing_call = number("FAIL_CALL");
  calls = 0;
  const int code = program_main(argc, argv, environment);
  failing_call = 0;
  if (count_file) write_count();
  return code;
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (size >= static_cast<std::size_t>(smallest)) {
    const long call = ++calls;
    if (failing_call > 0 && (call == failing_call || (from_then_on && call > failing_call))) return nullptr;
  }
  if (alignment == 0) return std::malloc(size > 0 ? size : 1);
  return std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment = 0) {
  void* memory = allocate(size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, std::align_val_t a) {
  return allocate_or_throw(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return allocate_or_throw(size, static_cast<std::size_t>(a));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }

/// What the system calls to start a program: before it, the libraries make themselves ready.
extern "C" int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(),
                                 void (*fini)(), void (*rtld_fini)(), void* stack_end) {
  program_main = main;
  const auto start = reinterpret_cast<decltype(&__libc_start_main)>(dlsym(RTLD_NEXT, "__libc_start_main"));
  return start(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
