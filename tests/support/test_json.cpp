#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "src/support/json.h"
#include "tests/weights/weight_files.h"

using namespace swag;
using swag::test::error_text;

namespace {

std::string parse_error(const std::string& text) {
  return error_text([&] { parse_json(text, "f: its header", Status::kWeights); });
}

std::string nested(int levels) { return std::string(levels, '[') + std::string(levels, ']'); }

}  // namespace

TEST_CASE("JSON is parsed, and what is none is refused by name") {
  CHECK(parse_json(R"({"a": [1, {"b": "ä"}]})", "f", Status::kUsage)["a"][1]["b"] == "ä");
  for (const char* text : {"", "{", "{\"a\"}", "[1,]", "nul", "{} {}", "\"\xff\"", "\"\n\"", "1e999"}) {
    CAPTURE(text);
    CHECK(parse_error(text) == "4: f: its header is no JSON");
  }
}

TEST_CASE("JSON nested beyond use is refused, however deep") {
  CHECK(parse_error(nested(8)) == "");
  for (int levels : {9, 10, 40000, 3000000}) {
    CAPTURE(levels);
    CHECK(parse_error(nested(levels)) == "4: f: its header is nested too deep");
    CHECK(parse_error(std::string(levels, '[')) == "4: f: its header is nested too deep");
  }
  std::string objects;
  for (int i = 0; i < 40000; ++i) objects += "{\"a\":";
  CHECK(parse_error(objects) == "4: f: its header is nested too deep");
}

TEST_CASE("a name that an object has twice is refused, in a short message without control codes") {
  CHECK(parse_error(R"({"a": {"a": 1}, "b": {"a": 1}})") == "");
  CHECK(parse_error(R"({"a": 1, "a": 1})") == "4: f: its header has 'a' twice");
  CHECK(parse_error(R"([{"b\u001b": {}, "b\u001b": 1}])") == R"(4: f: its header has 'b\x1b' twice)");
  const std::string name(500000, 'x');
  CHECK(parse_error("{\"" + name + "\": 1, \"" + name + "\": 1}").size() < 300);
}

TEST_CASE("many objects are read at once, where a look at all others for each would take minutes") {
  constexpr size_t kObjects = 200000;
  std::string text = "{\"list\":[{}";
  for (size_t i = 1; i < kObjects; ++i) text += ",{\"a\":{}}";
  text += "]";
  for (size_t i = 0; i < kObjects; ++i) text += ",\"" + std::to_string(i) + "\":{}";
  const nlohmann::json json = parse_json(text + "}", "f", Status::kUsage);
  CHECK(json.size() == kObjects + 1);
  CHECK(json["list"].size() == kObjects);
}

TEST_CASE("what is no UTF-8 can be written as JSON all the same") {
  CHECK(json_text(nlohmann::json{{"a", "ä\xff"}}) == "{\"a\":\"ä\uFFFD\"}");
  CHECK(json_text(nlohmann::ordered_json{{"b", 1}, {"a", 2}}, 1) == "{\n \"b\": 1,\n \"a\": 2\n}");
}
