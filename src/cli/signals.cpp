#include "src/cli/signals.h"

namespace swag::cli {
namespace {

volatile std::sig_atomic_t caught = 0;  // a handler can reach nothing but a global

void restore_default(int signal) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
}

/// Either signal after the first one ends the program, whichever came first.
void remember(int signal) {
  caught = signal;
  restore_default(SIGINT);
  restore_default(SIGTERM);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  struct sigaction action = {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

int InterruptGuard::signal() { return caught; }

}  // namespace swag::cli
