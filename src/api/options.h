// Between the options of include/swag.h and those of src/run/options.h.
#pragma once
#include <cstring>

#include "include/swag.h"
#include "src/run/options.h"

namespace swag {

/// The number in an enum of the caller, who may have put any there: to load it as the enum would be
/// undefined.
template <typename Api>
int enum_number(const Api& value) {
  int number = 0;
  static_assert(sizeof number == sizeof value);
  std::memcpy(&number, &value, sizeof number);
  return number;
}

/// Throws Error(kUsage) for what cannot be the size of a caller's struct of any version, older (a part of the
/// one that this version has, whose size is `known`) or newer (more than that).
void check_struct_size(const std::string& name, size_t struct_size, size_t known);

/// Options of a caller who may know an older or a newer swag.h: fields that they do not have are the default
/// preset's. Throws Error(kUsage) for null and for a struct_size that check_struct_size refuses.
swag_options complete_options(const swag_options* options);

/// Fills the first `struct_size` bytes with a preset; strings live for ever. Throws Error(kUsage).
void write_preset(swag_options* options, size_t struct_size, const std::string& preset);

/// Checked options. Throws Error(kUsage).
StylizeOptions stylize_options(const swag_options& options);

/// Whether the pooling is SWAG_POOLING_AVERAGE. Throws Error(kUsage) for values that swag.h does not have.
bool is_average(const swag_pooling& pooling);

}  // namespace swag
