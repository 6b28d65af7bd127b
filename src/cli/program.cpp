// Finds the command, and turns what went wrong into one line and an exit code.
#include "src/cli/program.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "src/cli/command.h"
#include "src/cli/signals.h"
#include "src/cli/streams.h"
#include "src/support/error.h"
#include "src/support/printable.h"

namespace swag::cli {

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands = {
      {"run", "stylise an image (the word may be left out)", run_command},
      {"model", "list, look into, check, convert and fetch weights", model_command},
      {"devices", "where swag can compute", devices_command},
      {"bench", "time an evaluation", bench_command},
      {"dump", "losses, gradient and statistics of one evaluation, for checks", dump_command},
  };
  return kCommands;
}

std::string program_footer() {
  std::string text = "Other commands, each with a --help of its own:\n";
  for (const Command& command : commands()) {
    char line[128];
    std::snprintf(line, sizeof line, "  swag %-23s %s\n", command.name, command.summary);
    text += line;
  }
  return text +
         "\nExit codes: 0 done, 2 usage, 3 image, 4 weights, 5 device, 6 memory, 7 diverged, 8 output,\n"
         "128 + N interrupted by signal N, with the best picture saved.";
}

namespace {

/// A path may have 4 KiB; what a message quotes of a file's contents is short already.
constexpr size_t kMostMessage = 8192;
constexpr char kOutOfMemory[] = "out of memory; use a smaller --size";

int fail(Status status, const char* message) {
  std::fprintf(stderr, "swag: %s\n", printable(message, kMostMessage).c_str());
  return static_cast<int>(status);
}

/// Destructors cannot pass on that they found no memory (those of JSON values look for some).
[[noreturn]] void end_at_once() {
  try {
    if (const std::exception_ptr error = std::current_exception()) std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    _exit(fail(Status::kMemory, kOutOfMemory));
  } catch (...) {
  }
  std::abort();
}

/// Threads have next to nothing to allocate, and glibc would keep 64 MiB of address space for each that does:
/// more than a limit on it may leave, and nothing that a run could foresee.
void share_one_heap() {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
#endif
}

int dispatch(Arguments arguments) {
  const auto named = [&](const Command& command) {
    return !arguments.empty() && arguments.front() == command.name;
  };
  const auto command = std::find_if(commands().begin(), commands().end(), named);
  if (command == commands().end()) return run_command(arguments);
  arguments.erase(arguments.begin());
  return command->run(arguments);
}

}  // namespace

int run_program(int argc, char** argv) {
  share_one_heap();
  open_standard_streams();
  survive_failed_writes();
  std::set_terminate(end_at_once);
  try {
    const int code = dispatch(Arguments(argv + 1, argv + argc));
    flush_standard_output();
    return code;
  } catch (const Error& error) {
    const int code = fail(error.status(), error.what()), signal = InterruptGuard::signal();
    return error.status() == Status::kInterrupted && signal != 0 ? 128 + signal : code;
  } catch (const std::bad_alloc&) {
    return fail(Status::kMemory, kOutOfMemory);
  } catch (const std::exception& error) {
    return fail(Status::kInternal, error.what());
  }
}

}  // namespace swag::cli
