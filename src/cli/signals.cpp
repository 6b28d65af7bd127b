#include "src/cli/signals.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <initializer_list>

namespace swag::cli {
namespace {

constexpr int kSignals[] = {SIGHUP, SIGINT, SIGTERM, SIGXCPU};
constexpr int64_t kOneSignal = 50;  // milliseconds: timeout(1) sends its signal twice, and means one

constexpr char kNothingToSave[] = "swag: interrupted before there was a picture to save\n";

// A handler can reach nothing but globals.
volatile std::sig_atomic_t caught = 0;
volatile std::sig_atomic_t something_to_save = 0;
std::atomic<int64_t> caught_at{0};

int64_t milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

void on_interrupt(int signal) {
  if (!something_to_save) {
    [[maybe_unused]] const ssize_t told = write(STDERR_FILENO, kNothingToSave, sizeof kNothingToSave - 1);
    _exit(128 + signal);
  }
  if (caught == 0) {
    caught = signal;
    caught_at = milliseconds();
    return;
  }
  // These come again by themselves: from a session that ends, every second of processor time.
  if (signal == SIGHUP || signal == SIGXCPU || milliseconds() - caught_at < kOneSignal) return;
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void do_nothing(int) {}

struct sigaction handled_by(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  return action;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  static_assert(sizeof kSignals / sizeof *kSignals == kCount, "one old action for each signal");
  // Not restarted (SA_RESTART), so that a pipe that nobody reads does not keep the program waiting.
  const struct sigaction action = handled_by(on_interrupt);
  for (int i = 0; i < kCount; ++i) {
    sigaction(kSignals[i], nullptr, &old_[i]);
    if (old_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &action, nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  for (int i = 0; i < kCount; ++i) sigaction(kSignals[i], &old_[i], nullptr);
  something_to_save = 0;
}

void InterruptGuard::remember() { something_to_save = 1; }

int InterruptGuard::signal() { return caught; }

void survive_failed_writes() {
  // A handler, where SIG_IGN would be passed on to the programs that are started.
  struct sigaction action = handled_by(do_nothing), old = {};
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGPIPE, SIGXFSZ}) {
    sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

}  // namespace swag::cli
