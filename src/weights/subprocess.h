// Runs another program and waits for it: no shell, an argument vector, its complaints caught.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace swag {

struct ProgramResult {
  bool found = false;  // false: there is no such program, or its path is not absolute; nothing was run
  int exit_code = 0;   // 128 + signal for a program that a signal ended
  std::string errors;  // the end of its standard error, without the last line break
};

/// Open files that stand for a program's input and output; -1: it has none.
struct ProgramStreams {
  int input = -1, output = -1;
};

/// Runs arguments[0], an absolute path (find_program of src/support/trusted_file.h), and calls `tick` several
/// times a second while it runs. An exception of `tick` ends the program and is passed on. Throws
/// Error(kInternal) when the system has no process or pipe to give.
ProgramResult run_program(const std::vector<std::string>& arguments, const std::function<void()>& tick = {},
                          const ProgramStreams& streams = {});

}  // namespace swag
