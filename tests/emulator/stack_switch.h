// From one fibre to another: the registers that must live on, and the stack pointer.
//
// Boost.Context does this everywhere. On x86-64 it leaves by a jump the call that it was entered by, so that
// every return on the way out is predicted wrongly, and it saves the rounding modes, which nobody here
// changes: 12 ns and five mispredicted returns for each thread at each barrier. In line, without call and
// return, it is 2 ns.
#pragma once
#include <cstddef>
#include <cstdint>

#ifndef __x86_64__
#include <boost/context/detail/fcontext.hpp>
#endif

namespace emulator {

/// A fibre that is not running.
using Context = void*;

#ifdef __x86_64__

/// `entry` never returns.
inline Context make_context(uintptr_t stack_end, size_t /*bytes*/, void (*entry)()) {
  auto* top = reinterpret_cast<void**>(stack_end & ~uintptr_t{15});
  top -= 2;  // the callee of a call finds its stack 8 bytes off a multiple of 16
  *top = reinterpret_cast<void*>(entry);
  return top;
}

/// Keeps the caller in *keep and goes on with `to`; returns when somebody comes back to *keep.
__attribute__((always_inline)) inline void switch_context(Context* keep, Context to) {
  // 128 bytes below the stack pointer belong to a function that calls nobody.
  asm volatile(
      "leaq -128(%%rsp), %%rsp\n\t"
      "pushq %%rbp\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "movq %%rsp, (%0)\n\t"
      "movq %1, %%rsp\n\t"
      "popq %%rax\n\t"
      "jmpq *%%rax\n"
      "1:\n\t"
      "popq %%rbp\n\t"
      "leaq 128(%%rsp), %%rsp"
      : "+D"(keep), "+S"(to)
      :
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
        "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
        "xmm14", "xmm15", "memory", "cc");
}

#else

/// Every jump carries the place where the context of the one who jumps is to be kept.
inline void keep_context(const boost::context::detail::transfer_t& from) {
  *static_cast<Context*>(from.data) = from.fctx;
}

template <typename = void>
struct Entry {
  static inline thread_local void (*function)() = nullptr;
  static void start(boost::context::detail::transfer_t from) {
    keep_context(from);
    function();
  }
};

/// `entry` never returns, and is the same for all fibres.
inline Context make_context(uintptr_t stack_end, size_t bytes, void (*entry)()) {
  Entry<>::function = entry;
  return boost::context::detail::make_fcontext(reinterpret_cast<void*>(stack_end), bytes, Entry<>::start);
}

/// Keeps the caller in *keep and goes on with `to`; returns when somebody comes back to *keep.
inline void switch_context(Context* keep, Context to) {
  keep_context(boost::context::detail::jump_fcontext(to, keep));
}

#endif

}  // namespace emulator
