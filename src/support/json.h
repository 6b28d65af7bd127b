// JSON of unknown origin in, JSON out: the one place where either is done.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "src/support/error.h"

namespace swag {

/// The value that `text` is. Throws Error(status), "WHAT is no JSON", for anything else, for a text that is
/// not UTF-8, for a name that an object has twice (a parser would drop one of them in silence), and for more
/// than 8 values within each other: walking, copying and printing a value take stack for each level.
nlohmann::json parse_json(const std::string& text, const std::string& what, Status status);

/// `value` as a text, on one line unless `indent` is given. What is no UTF-8 in it (the name of a file may be
/// anything) becomes U+FFFD.
std::string json_text(const nlohmann::json& value, int indent = -1);
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace swag
