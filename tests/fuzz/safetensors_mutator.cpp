#include "tests/fuzz/safetensors_mutator.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace swag::fuzz {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr const char* kNumbers[] = {"0",
                                    "1",
                                    "2",
                                    "4",
                                    "-1",
                                    "2147483648",
                                    "8",
                                    "1e2",
                                    "1.5",
                                    "4294967296",
                                    "16",
                                    "12",
                                    "536870912",
                                    "4611686018427387904",
                                    "9223372036854775807",
                                    "18446744073709551615",
                                    "18446744073709551616"};

void mutate(std::string& bytes) {
  const size_t size = bytes.size();
  bytes.resize(size + 64);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
}

/// Another number in the place of one of the header's.
void change_number(std::string& json, std::minstd_rand& random) {
  const auto digit = [&](size_t at) { return at < json.size() && json[at] >= '0' && json[at] <= '9'; };
  std::string::size_type at = json.empty() ? 0 : random() % json.size();
  while (at < json.size() && !digit(at)) ++at;
  while (at > 0 && digit(at - 1)) --at;
  size_t end = at;
  while (digit(end)) ++end;
  if (end == at) return;
  std::string number = kNumbers[random() % std::size(kNumbers)];
  if (random() % 2 != 0 && end - at < 10) number = std::to_string(std::stoll(json.substr(at, end - at)) + 4);
  json.replace(at, end - at, number);
}

}  // namespace

size_t mutate_safetensors(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  std::minstd_rand random(seed);
  uint64_t length = 0;
  if (size >= kLengthBytes) std::memcpy(&length, data, kLengthBytes);
  if (size <= kLengthBytes || length > size - kLengthBytes || random() % 4 == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  const char* text = reinterpret_cast<const char*>(data) + kLengthBytes;
  std::string json(text, length), values(text + length, size - kLengthBytes - length);
  switch (random() % 4) {
    case 0: mutate(json); break;
    case 1: mutate(values); break;
    case 2: values.resize(random() % 256); break;
    default: change_number(json, random);
  }
  length = json.size();
  std::string file(reinterpret_cast<const char*>(&length), kLengthBytes);
  file += json + values;
  const size_t written = std::min(file.size(), max_size);
  std::memcpy(data, file.data(), written);
  return written;
}

}  // namespace swag::fuzz
