// The values of an enumeration and their names on the command line and in JSON.
#pragma once
#include <string>
#include <vector>

#include "src/support/error.h"
#include "src/support/parse.h"
#include "src/support/printable.h"

namespace swag {

template <typename Enum>
struct Named {
  Enum value;
  const char* name;
};

/// Throws Error(kInternal) for a value that no name of the table has.
template <typename Enum, size_t N>
const char* name_in(const Named<Enum> (&table)[N], Enum value) {
  for (const Named<Enum>& entry : table) {
    if (entry.value == value) return entry.name;
  }
  throw Error(Status::kInternal, "an option's value has no name");
}

/// Throws Error(kUsage) that lists the names.
template <typename Enum, size_t N>
Enum value_in(const Named<Enum> (&table)[N], const std::string& name) {
  std::vector<std::string> names;
  for (const Named<Enum>& entry : table) {
    if (name == entry.name) return entry.value;
    names.push_back(entry.name);
  }
  throw Error(Status::kUsage, "'" + printable(name) + "' is not one of " + joined(names));
}

}  // namespace swag
