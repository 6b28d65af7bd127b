#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "src/support/half.h"
#include "src/weights/safetensors.h"
#include "tests/helpers.h"
#include "tests/weights/weight_files.h"

using namespace swag;
using swag::test::contains;
using swag::test::error_text;
using swag::test::safetensors_bytes;

namespace {

/// The error of opening these bytes as a file of the name "f".
std::string open_error(const std::string& bytes) {
  return error_text([&] { SafetensorsFile::from_memory(bytes.data(), bytes.size(), "f"); });
}

/// The same for a header with 16 bytes of data behind it.
std::string header_error(const std::string& header) {
  return open_error(safetensors_bytes(header, std::string(16, '\0')));
}

/// A header of one tensor "a"; its parts are JSON.
std::string one_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

TEST_CASE("a safetensors file made by hand is read, whatever the order of its header") {
  const std::string header =
      R"({"b":{"dtype":"I64","shape":[],"data_offsets":[24,32]},"__metadata__":{"network":"vgg19"},)"
      R"("a":{"shape":[2,3],"data_offsets":[0,24],"dtype":"F32"},)"
      R"("empty":{"dtype":"F32","shape":[0,5],"data_offsets":[24,24]}}   )";
  const std::vector<float> values = {1, -2, 3.5f, 0, -0.0f, 1e-40f};
  const std::string bytes = safetensors_bytes(header, bytes_of(values) + std::string(8, '\1'));
  const auto file = SafetensorsFile::from_memory(bytes.data(), bytes.size(), "f");
  REQUIRE(file.entries().size() == 3);
  CHECK(file.metadata().at("network") == "vgg19");
  CHECK(file.entries().at("a").shape == std::vector<int64_t>{2, 3});
  CHECK(file.entries().at("b").count == 1);
  const std::vector<float> read = file.read<float>("a");
  REQUIRE(read.size() == 6);
  CHECK(test::same_bytes(read.data(), values.data(), 6));
  CHECK(file.read<double>("a") == std::vector<double>(values.begin(), values.end()));
  CHECK(file.read<float>("empty").empty());
  CHECK(error_text([&] { file.read<float>("b"); }) == "4: f: b has dtype I64, F32, F16 or BF16 is needed");
  CHECK(error_text([&] { file.read<float>("c"); }) == "4: f: has no tensor c");
}

TEST_CASE("float64 is read as double and refused as float") {
  const std::vector<double> values = {1.0 / 3, std::numeric_limits<double>::quiet_NaN()};
  const std::string bytes = safetensors_bytes(one_tensor(R"("F64")", "[2]", "[0,16]"), bytes_of(values));
  const auto file = SafetensorsFile::from_memory(bytes.data(), bytes.size(), "f");
  CHECK(test::same_bytes(file.read<double>("a").data(), values.data(), 2));
  CHECK(contains(error_text([&] { file.read<float>("a"); }), "a has dtype F64"));
}

TEST_CASE("half and bfloat16 widen exactly") {
  CHECK(half_to_float(0x3c00) == 1.0f);
  CHECK(half_to_float(0xc500) == -5.0f);
  CHECK(half_to_float(0x3555) == 0x1.554p-2f);
  CHECK(half_to_float(0x7bff) == 65504.0f);
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(half_to_float(0x83ff) == -0x1.ff8p-15f);
  CHECK(half_to_float(0x0400) == 0x1p-14f);
  CHECK(std::signbit(half_to_float(0x8000)));
  CHECK(half_to_float(0xfc00) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(half_to_float(0x7e01)));
  CHECK(bfloat16_to_float(0x3f80) == 1.0f);
  CHECK(bfloat16_to_float(0xc049) == -3.140625f);

  const std::vector<uint16_t> bits = {0x3c00, 0xc500};
  const std::string half = safetensors_bytes(one_tensor(R"("F16")", "[2]", "[0,4]"), bytes_of(bits));
  const std::string brain = safetensors_bytes(one_tensor(R"("BF16")", "[2]", "[0,4]"), bytes_of(bits));
  CHECK(SafetensorsFile::from_memory(half.data(), half.size(), "f").read<float>("a") ==
        std::vector<float>{1, -5});
  CHECK(SafetensorsFile::from_memory(brain.data(), brain.size(), "f").read<double>("a") ==
        std::vector<double>{0.0078125, -2048});
}

TEST_CASE("a header that lies about the data is refused with what is wrong") {
  const std::string f32 = R"("F32")";
  CHECK(header_error(one_tensor(f32, "[4]", "[0,16]")).empty());
  CHECK(header_error(one_tensor(f32, "[5]", "[0,16]")) == "4: f: a has 16 bytes, shape (5) of F32 needs 20");
  CHECK(contains(header_error(one_tensor(f32, "[5]", "[0,20]")), "has bytes 0 to 20 of 16"));
  CHECK(contains(header_error(one_tensor(f32, "[4]", "[16,0]")), "has bytes 16 to 0 of 16"));
  CHECK(contains(header_error(one_tensor(f32, "[-4]", "[0,16]")), "has a dimension of -4"));
  CHECK(contains(header_error(one_tensor(f32, "[4.0]", "[0,16]")), "has a dimension of 4.0"));
  CHECK(contains(header_error(one_tensor(f32, "[4]", "[0,18446744073709551615]")), "an offset of 1844"));
  CHECK(contains(header_error(one_tensor(f32, "[4294967296,4294967296]", "[0,16]")), "beyond all memory"));
  CHECK(contains(header_error(one_tensor(f32, "4", "[0,16]")), "shape that is no list"));
  const std::string flat = "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4]";
  CHECK(contains(header_error(one_tensor(f32, flat, "[0,16]")), "17 dimensions; at most 16 are read"));
  CHECK(contains(header_error(one_tensor(f32, "[4]", "[0,8,16]")), "data_offsets that are no pair"));
  CHECK(contains(header_error(one_tensor(R"("F33")", "[4]", "[0,16]")), R"(unknown dtype "F33")"));
  CHECK(contains(header_error(one_tensor("32", "[4]", "[0,16]")), "unknown dtype 32"));
  CHECK(header_error(R"({"a":{"dtype":"F32","shape":[4]}})") == "4: f: a has no data_offsets");
  CHECK(header_error(R"({"a":7})") == "4: f: a has no dtype");
  CHECK(contains(header_error(R"({"__metadata__":{"n":1}})"), "metadata 'n' that is no text"));
}

TEST_CASE("tensors that overlap, leave gaps or leave a tail are refused") {
  const auto two = [](const std::string& first, const std::string& second) {
    return header_error(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":)" + first +
                        R"(},"b":{"dtype":"U8","shape":[8],"data_offsets":)" + second + "}}");
  };
  CHECK(two("[0,8]", "[8,16]").empty());
  CHECK(two("[8,16]", "[0,8]").empty());
  CHECK(two("[0,8]", "[4,12]") == "4: f: b starts at byte 4, the tensor before ends at 8");
  CHECK(two("[0,8]", "[0,8]") == "4: f: b starts at byte 0, the tensor before ends at 8");
  CHECK(header_error(one_tensor(R"("U8")", "[8]", "[8,16]")) ==
        "4: f: a starts at byte 8, the tensor before ends at 0");
  CHECK(header_error(one_tensor(R"("U8")", "[8]", "[0,8]")) ==
        "4: f: has 16 bytes of data, its tensors cover 8");
}

TEST_CASE("a header that is no proper JSON object is refused") {
  CHECK(contains(header_error("{\"a\":"), "no JSON"));
  CHECK(contains(header_error("{\"a\xff\":1}"), "no JSON"));
  CHECK(contains(header_error(R"({"a":1,"a":2})"), "'a' twice"));
  CHECK(contains(header_error(R"({"a":{"dtype":"F32","dtype":"F16"}})"), "'dtype' twice"));
  CHECK(contains(header_error("{\"a\":" + std::string(100000, '[')), "nested too deep"));
  CHECK(contains(header_error(R"({"a\n\u001b[31m":{}})"), R"(absurd name: a\x0a\x1b[31m)"));
  CHECK(contains(header_error("[1]"), "no safetensors"));
}

TEST_CASE("a file cut anywhere is refused") {
  const std::string whole = safetensors_bytes(one_tensor(R"("F32")", "[4]", "[0,16]"), std::string(16, 'x'));
  CHECK(open_error(whole).empty());
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(open_error(whole.substr(0, size)).rfind("4: f: ", 0) == 0);
  }
  std::string huge = whole;
  huge[7] = '\x7f';
  CHECK(contains(open_error(huge), "has a header of 9151314"));
}

TEST_CASE("other formats are recognised and the way out is named") {
  const std::string pickle("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  CHECK(contains(open_error("PK\x03\x04" + std::string(100, '\0')), "swag model convert"));
  CHECK(contains(open_error(pickle), "swag model convert"));
  CHECK(contains(open_error("version https://git-lfs.github.com/spec/v1\noid sha256:00"), "git lfs pull"));
  CHECK(contains(open_error("\n<!DOCTYPE html><html>"), "web page"));
  CHECK(contains(open_error("\x89HDF\r\n\x1a\n"), "HDF5"));
  CHECK(open_error("nothing like it") == "4: f: is no safetensors file");
  CHECK(open_error("") == "4: f: is empty");
}

TEST_CASE("a path that is no readable file is refused by name") {
  const test::TemporaryFolder folder;
  CHECK(contains(error_text([&] { SafetensorsFile::open(folder.file("x")); }), "/x: no such file"));
  CHECK(contains(error_text([&] { SafetensorsFile::open(folder.path()); }), "is not a regular file"));
}

TEST_CASE("what is written is read back bit by bit, twice the same bytes") {
  const test::TemporaryFolder folder;
  const std::vector<double> a = test::random_vector<double>(24, 1), b = {0.0, -0.0, 1e-310};
  const std::vector<SafetensorsOutput<double>> tensors = {
      {"z", {2, 3, 4}, a.data()}, {"a", {3}, b.data()}, {"none", {0}, nullptr}};
  write_safetensors<double>(folder.file("1"), tensors, {{"network", "vgg19"}, {"text", "\"ä\"\n"}});
  write_safetensors<double>(folder.file("2"), tensors, {{"text", "\"ä\"\n"}, {"network", "vgg19"}});
  CHECK(test::read_text(folder.file("1")) == test::read_text(folder.file("2")));

  const auto file = SafetensorsFile::open(folder.file("1"));
  CHECK(file.metadata().at("text") == "\"ä\"\n");
  CHECK(file.entries().at("z").begin == 0);  // in the order given, not by name
  CHECK(file.entries().at("z").shape == std::vector<int64_t>{2, 3, 4});
  CHECK(file.read<double>("z") == a);
  CHECK(test::same_bytes(file.read<double>("a").data(), b.data(), 3));
  CHECK(error_text([&] { write_safetensors<double>(folder.file("no/1"), tensors, {}); }).rfind("8: ", 0) ==
        0);

  const std::vector<float> c = {1, 2};
  write_safetensors<float>(folder.file("1"), {{"c", {2}, c.data()}}, {});  // an existing file is replaced
  CHECK(SafetensorsFile::open(folder.file("1")).read<float>("c") == c);
}
