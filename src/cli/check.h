// From the C API's statuses to the exception that main() turns into a message and an exit code.
#pragma once
#include "include/swag.h"
#include "src/support/error.h"

namespace swag::cli {

inline void check(swag_status status) {
  if (status != SWAG_OK) throw Error(static_cast<Status>(status), swag_last_error());
}

}  // namespace swag::cli
