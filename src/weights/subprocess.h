// Runs another program and waits for it: no shell, an argument vector, its complaints caught.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace swag {

struct ProgramResult {
  std::string not_run;  // why nothing was run, "is not installed"; empty when the program was
  int exit_code = 0;    // 128 + signal for a program that a signal ended
  std::string errors;   // the end of its standard error, without the last line break

  /// Whether somebody wished the program to end: by SIGHUP, SIGINT or SIGTERM.
  bool interrupted() const;
};

/// Open files that stand for a program's input and output; -1: it has none.
struct ProgramStreams {
  int input = -1, output = -1;
};

/// Runs arguments[0] and calls `tick` several times a second while it runs. An exception of `tick` ends the
/// program and is passed on; the end of this process, or of the thread that called, ends it too. The program
/// must be an absolute path that is to be trusted (src/support/trusted_file.h). Throws Error(kMemory) when
/// the system has no process, pipe or memory to give.
ProgramResult run_program(const std::vector<std::string>& arguments, const std::function<void()>& tick = {},
                          const ProgramStreams& streams = {});

}  // namespace swag
