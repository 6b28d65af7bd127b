// The log of a run: one JSON object per line for every evaluation.
#pragma once
#include <fstream>
#include <ostream>
#include <string>

#include "include/swag.h"

namespace swag::cli {

class RunLog {
 public:
  /// "-" is standard output, "" no log. Throws Error(kOutput) for a file that cannot be written.
  explicit RunLog(const std::string& path);
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  void write(const swag_progress& progress, double seconds);

 private:
  std::ofstream file_;
  std::ostream* stream_ = nullptr;
};

}  // namespace swag::cli
