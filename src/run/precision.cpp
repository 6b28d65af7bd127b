#include "src/run/precision.h"

#include "src/support/error.h"
#include "src/support/names.h"

namespace swag {
namespace {

constexpr Named<Precision> kPrecisions[] = {{Precision::kAuto, "auto"},
                                            {Precision::kSingle, "single"},
                                            {Precision::kTf32, "tf32"},
                                            {Precision::kHalf, "half"},
                                            {Precision::kDouble, "double"}};

}  // namespace

const char* name_of(Precision value) { return name_in(kPrecisions, value); }
Precision parse_precision(const std::string& name) { return value_in(kPrecisions, name); }

DType dtype_of(Precision precision) {
  switch (precision) {
    case Precision::kDouble: return DType::kFloat64;
    case Precision::kTf32: return DType::kTf32;
    case Precision::kHalf: return DType::kFloat16;
    default: return DType::kFloat32;
  }
}

Precision precision_on(const Backend& backend, Precision wanted) {
  if (wanted == Precision::kDouble && !backend.computes_in(DType::kFloat64)) {
    throw Error(Status::kUsage, "double precision is for the CPU; use --device cpu");
  }
  const Precision taken = wanted == Precision::kAuto ? Precision::kTf32 : wanted;
  return backend.computes_in(dtype_of(taken)) ? taken : Precision::kSingle;
}

std::string precision_note(const Backend& backend, Precision wanted) {
  const Precision taken = precision_on(backend, wanted);
  if (wanted == Precision::kAuto || taken == wanted) return "";
  return std::string("--precision ") + name_of(wanted) + ": " + backend.description() +
         " has no tensor cores for it; computing in " + name_of(taken) + " precision";
}

}  // namespace swag
