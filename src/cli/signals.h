// Ctrl-C and its relatives: the first asks a run to stop and save its picture, the second ends the program.
#pragma once
#include <csignal>

namespace swag::cli {

/// While it lives, the first SIGHUP, SIGINT, SIGTERM or SIGXCPU ends the program with 128 + the signal as
/// long as there is nothing to save, and is only remembered once there is. A second SIGINT or SIGTERM then
/// has its usual effect. What was ignored before (by nohup, or by a shell for its background jobs) stays
/// ignored.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// From now on there is a picture to save, and a signal is only remembered.
  void remember();

  /// The signal that came, 0 when none did.
  static int signal();

 private:
  static constexpr int kCount = 4;
  struct sigaction old_[kCount];
};

/// Lets a write to a closed pipe (SIGPIPE) or beyond the allowed size of files (SIGXFSZ) fail, rather than
/// end the program. Programs that this one starts get them as usual.
void survive_failed_writes();

}  // namespace swag::cli
