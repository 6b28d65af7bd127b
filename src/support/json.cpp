#include "src/support/json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "src/support/printable.h"

namespace swag {
namespace {

using Json = nlohmann::json;

constexpr int kMostLevels = 8;

/// Told of every step of the parser; throws std::runtime_error with what is wrong.
class Guard {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    if (depth >= kMostLevels) throw std::runtime_error("is nested too deep");
    const auto level = static_cast<size_t>(depth);
    if (event == Json::parse_event_t::object_start) keys_[level].clear();
    if (event == Json::parse_event_t::key && !keys_[level - 1].insert(value.get<std::string>()).second) {
      throw std::runtime_error("has '" + printable(value.get<std::string>()) + "' twice");
    }
    return true;
  }

 private:
  std::array<std::set<std::string>, kMostLevels> keys_;  // of the objects that are open
};

}  // namespace

Json parse_json(const std::string& text, const std::string& what, Status status) {
  try {
    return Json::parse(text, Guard());
  } catch (const Json::exception&) {
    throw Error(status, what + " is no JSON");
  } catch (const std::runtime_error& problem) {
    throw Error(status, what + " " + problem.what());
  }
}

std::string json_text(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}
std::string json_text(const nlohmann::ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace swag
