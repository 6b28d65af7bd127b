// The log of a run: one JSON object per line for every evaluation.
#pragma once
#include <cstdint>
#include <string>

#include "include/swag.h"
#include "src/support/descriptor.h"

namespace swag::cli {

class RunLog {
 public:
  /// No log, until it is opened.
  RunLog() = default;

  /// Empties the file at `path`, or makes it; "-" is standard output. Waits for the reader of a named pipe.
  /// Throws Error(kOutput), also for a file that is there without `overwrite`.
  void open(const std::string& path, bool overwrite);

  /// Does nothing where there is no log. Returns 0, or once the errno of why there is none from now on; what
  /// is in a file then ends with a whole line.
  int write(const swag_progress& progress, double seconds);

 private:
  Descriptor file_;
  bool standard_output_ = false;
  int64_t size_ = 0;  // bytes of whole lines
};

}  // namespace swag::cli
