// Finds the command, and turns what went wrong into one line and an exit code.
#include "src/cli/program.h"

#include <algorithm>
#include <cstdio>
#include <new>

#include "src/cli/command.h"
#include "src/cli/signals.h"
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

namespace {

/// A path may have 4 KiB; what a message quotes of a file's contents is short already.
constexpr size_t kMostMessage = 8192;

int fail(Status status, const char* message) {
  std::fprintf(stderr, "swag: %s\n", printable(message, kMostMessage).c_str());
  return static_cast<int>(status);
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
  try {
    return dispatch(Arguments(argv + 1, argv + argc));
  } catch (const Error& error) {
    const int code = fail(error.status(), error.what()), signal = InterruptGuard::signal();
    return error.status() == Status::kInterrupted && signal != 0 ? 128 + signal : code;
  } catch (const std::bad_alloc&) {
    return fail(Status::kMemory, "out of memory; use a smaller --size");
  } catch (const std::exception& error) {
    return fail(Status::kInternal, error.what());
  }
}

}  // namespace swag::cli
