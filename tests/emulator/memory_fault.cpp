// What to say when a load or store faults: host code in device memory, a kernel outside of all memory, a
// fibre that ran over its stack. Not safe by the letter of signal handlers; the program ends in any case.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/emulator/emulator.h"
#include "tests/emulator/engine.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/memory_internal.h"
#include "tests/emulator/symbols.h"

namespace emulator {
namespace {

constexpr size_t kFaultStackBytes = 256 << 10;
constexpr size_t kStackReach = 64 << 10;  // below a stack: how far a frame may step over its end

void say(const char* text) {
  const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
  static_cast<void>(written);
}

/// "allocation 3 + 16 of 64 bytes (cudaMalloc at file.cpp:12)"
void describe(char* text, size_t size, uintptr_t address) {
  const Allocation* allocation = heap_is_free() ? find_allocation(address) : nullptr;
  if (!allocation) {
    std::snprintf(text, size, "address %#zx", static_cast<size_t>(address));
    return;
  }
  const SourceLine line = source_line(allocation->site);
  std::snprintf(text, size, "allocation %u %s %td of %zu bytes (%scudaMalloc at %s:%d)", allocation->number,
                address < allocation->address ? "-" : "+",
                address < allocation->address ? static_cast<ptrdiff_t>(allocation->address - address)
                                              : static_cast<ptrdiff_t>(address - allocation->address),
                allocation->bytes, allocation->freed ? "freed; " : "", line.file.c_str(), line.line);
}

void on_fault(int signal_number, siginfo_t* info, void*) {
  struct sigaction plain = {};
  plain.sa_handler = SIG_DFL;
  sigaction(signal_number, &plain, nullptr);  // the access is tried again after this, and ends the program

  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  char where[512], text[1024];
  const Thread* thread = running.thread;
  if (!thread) {
    if (!is_device_address(info->si_addr)) return;
    describe(where, sizeof where, address);
    std::snprintf(text, sizeof text, "emulator: %s: host code touched %s\n",
                  name_of(FindingKind::kDeviceMemory), where);
    return say(text);
  }
  const Block& block = *thread->block;
  char what[640];
  if (address < thread->stack_begin && thread->stack_begin - address <= kStackReach) {
    std::snprintf(what, sizeof what, "ran over the end of its stack of %zu bytes",
                  static_cast<size_t>(thread->stack_end - thread->stack_begin));
  } else if (is_device_address(info->si_addr)) {
    describe(where, sizeof where, address);
    std::snprintf(what, sizeof what, "touched %s", where);
  } else {
    std::snprintf(what, sizeof what, "touched address %#zx, which is no memory",
                  static_cast<size_t>(address));
  }
  std::snprintf(text, sizeof text, "emulator: %s, block (%u, %u, %u), thread (%u, %u, %u) %s\n",
                block.launch->kernel.c_str(), block.index.x, block.index.y, block.index.z, thread->index.x,
                thread->index.y, thread->index.z, what);
  say(text);
}

}  // namespace

namespace {
/// The calling thread's stack for the handler. The one before is put back, because whoever gave it (a
/// sanitizer) takes back at the thread's end what is there then.
class FaultStack {
 public:
  FaultStack() {
    sigaltstack(nullptr, &before_);
    if (!(before_.ss_flags & SS_DISABLE) && before_.ss_size >= kFaultStackBytes) return;
    memory_.reset(new char[kFaultStackBytes]);
    stack_t wanted = {};
    wanted.ss_sp = memory_.get();
    wanted.ss_size = kFaultStackBytes;
    sigaltstack(&wanted, nullptr);
  }
  ~FaultStack() {
    if (memory_) sigaltstack(&before_, nullptr);
  }
  FaultStack(const FaultStack&) = delete;
  FaultStack& operator=(const FaultStack&) = delete;

 private:
  std::unique_ptr<char[]> memory_;
  stack_t before_ = {};
};
}  // namespace

void ensure_fault_stack() {
  static thread_local const FaultStack stack;
  static_cast<void>(stack);
}

void install_fault_handler() {
  ensure_fault_stack();
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace emulator
