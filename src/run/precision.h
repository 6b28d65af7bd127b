// What a run computes in, and what that means on a device.
#pragma once
#include <string>

#include "src/backend/backend.h"

namespace swag {

enum class Precision {
  kSingle,  // float32
  kDouble,  // float64, on the CPU
  kTf32,    // float32, the convolutions on tensor cores, which read 10 of its 23 bits
  kAuto,    // the fastest that the device has of kTf32 and kSingle
  kHalf,    // maps in float16, their gradients in bfloat16, sums in float32; the convolutions on tensor cores
};

const char* name_of(Precision value);
/// Throws Error(kUsage) that lists the names.
Precision parse_precision(const std::string& name);

/// What maps are stored as. `precision` is not kAuto.
DType dtype_of(Precision precision);

/// The wanted one, or the nearest that the device has. Throws Error(kUsage) for double precision on a GPU.
Precision precision_on(const Backend& backend, Precision wanted);

/// What to say where that is another: "" if there is nothing to say.
std::string precision_note(const Backend& backend, Precision wanted);

}  // namespace swag
