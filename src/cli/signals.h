// Ctrl-C: the first asks the run to stop and save, the second ends the program.
#pragma once
#include <csignal>

namespace swag::cli {

/// While it lives, the first SIGINT or SIGTERM is only remembered; a second one has its usual effect.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The signal that came, 0 when none did.
  static int signal();

 private:
  struct sigaction old_interrupt_, old_terminate_;
};

}  // namespace swag::cli
