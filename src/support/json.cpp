#include "src/support/json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "src/support/printable.h"

namespace swag {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostLevels = 8;

/// Reads a text without keeping it (the parser's own filter takes quadratic time); throws std::runtime_error
/// with what is wrong.
class Guard : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_array(size_t) override { return value() && ++open_; }
  bool end_array() override { return open_--; }
  bool start_object(size_t) override {
    value();
    keys_[open_++].clear();
    return true;
  }
  bool key(string_t& key) override {
    if (!keys_[open_ - 1].insert(key).second) {
      throw std::runtime_error("has '" + printable(key) + "' twice");
    }
    return true;
  }
  bool end_object() override { return open_--; }
  bool parse_error(size_t, const std::string&, const Json::exception&) override {
    throw std::runtime_error("is no JSON");
  }

 private:
  bool value() const {
    if (open_ >= kMostLevels) throw std::runtime_error("is nested too deep");
    return true;
  }

  size_t open_ = 0;                                      // arrays and objects
  std::array<std::set<std::string>, kMostLevels> keys_;  // of the objects among them
};

}  // namespace

Json parse_json(const std::string& text, const std::string& what, Status status) {
  try {
    Guard guard;
    Json::sax_parse(text, &guard);
    return Json::parse(text);
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
