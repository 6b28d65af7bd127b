// The one exception of the library.
#pragma once
#include <stdexcept>
#include <string>

namespace swag {

/// The statuses of include/swag.h, which are the exit codes of the program (docs: README).
enum class Status : int {
  kOk = 0,
  kInternal = 1,
  kUsage = 2,
  kImage = 3,
  kWeights = 4,
  kDevice = 5,
  kMemory = 6,
  kDiverged = 7,
  kOutput = 8,
  kBatch = 9,
  kInterrupted = 130,
};

/// A user's mistake or a resource that is missing: one line that says what, which file, why and what to do.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const { return status_; }

 private:
  Status status_;
};

}  // namespace swag
