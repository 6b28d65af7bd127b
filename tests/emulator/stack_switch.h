// From one fibre to another: the registers that a called function must keep, and the stack pointer.
//
// Boost.Context does this everywhere. On x86-64 it saves the rounding modes too, which nobody here changes,
// and what follows the switch are returns, which a processor predicts from the calls that it has seen: those
// of the fibre that was left, so that each is predicted wrongly. Here a fibre goes on by a jump to where it
// was, right in the kernel when it waited at a barrier; the fibres of a round all jump to the same place,
// which is predicted well. 12 ns become 2 ns for each thread at each barrier.
#pragma once
#include <cstddef>
#include <cstdint>

#ifndef __x86_64__
#include <boost/context/detail/fcontext.hpp>
#endif

namespace emulator {

/// A fibre that is not running.
using Context = void*;

/// Who goes on, and what the call by which that one left gives it.
struct Resume {
  Context context;
  long result;
};

#ifdef __x86_64__

/// Keeps the caller in *keep and goes on with `to`; returns when somebody comes back to *keep.
/// stack_switch.cpp
extern "C" void emulator_switch_context(Context* keep, Context to, long result);

inline void switch_context(Context* keep, Context to, int result) {
  emulator_switch_context(keep, to, result);
}

/// `entry` never returns.
inline Context make_context(uintptr_t stack_end, size_t /*bytes*/, void (*entry)()) {
  constexpr int kRegisters = 6;
  auto* top = reinterpret_cast<void**>(stack_end & ~uintptr_t{15});
  *--top = nullptr;  // where a debugger looks for the caller; and a callee finds its stack 8 bytes off 16
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kRegisters; ++i) *--top = nullptr;
  return top;
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
inline void switch_context(Context* keep, Context to, int /*result*/) {
  keep_context(boost::context::detail::jump_fcontext(to, keep));
}

#endif

}  // namespace emulator
