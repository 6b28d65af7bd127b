#include "src/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "src/support/error.h"
#include "src/support/file.h"
#include "src/support/half.h"
#include "src/support/json.h"
#include "src/support/printable.h"

namespace swag {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostDimensions = 16;  // weights have four
constexpr int64_t kLengthBytes = 8;
constexpr int64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

/// Bytes of one element, 0 for a dtype that the format does not know.
int64_t element_bytes(const std::string& dtype) {
  static const std::map<std::string, int64_t> kBytes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2},
      {"BF16", 2}, {"U32", 4}, {"I32", 4}, {"F32", 4},     {"U64", 8},     {"I64", 8}, {"F64", 8}};
  const auto found = kBytes.find(dtype);
  return found == kBytes.end() ? 0 : found->second;
}

/// What a file that is no safetensors file seems to be, and what to do about it.
std::string other_format(const std::string& start) {
  const auto starts_with = [&](const std::string& prefix) {
    return start.compare(0, prefix.size(), prefix) == 0;
  };
  const size_t text = start.find_first_not_of(" \t\r\n");
  if (starts_with("PK\x03\x04") ||
      (starts_with("\x80") && start.size() > 1 && start[1] >= 2 && start[1] <= 5)) {
    return "is a PyTorch file (.pth); convert it with `swag model convert`";
  }
  if (starts_with("version https://git-lfs")) {
    return "is a Git LFS pointer, not the file itself; run `git lfs pull`";
  }
  if (text != std::string::npos && start[text] == '<') {
    return "is a web page, not weights; download the file itself";
  }
  if (starts_with("\x89HDF")) return "is an HDF5 file; only safetensors files are read";
  return "is no safetensors file";
}

/// A header's tensor entry; throws std::runtime_error with the problem.
SafetensorsEntry parse_entry(const Json& json, int64_t data_bytes) {
  SafetensorsEntry entry;
  const auto member = [&](const char* key) -> const Json& {
    if (!json.is_object() || !json.contains(key)) throw std::runtime_error(std::string("has no ") + key);
    return json[key];
  };
  const auto natural = [](const Json& number, const char* what) {
    // Parsed as unsigned exactly when it is a whole number without a sign.
    constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!number.is_number_unsigned() || number.get<uint64_t>() > kMax) {
      throw std::runtime_error(std::string("has ") + what + " " + printable(json_text(number)) +
                               ", a whole number from 0 is needed");
    }
    return number.get<int64_t>();
  };

  const Json& dtype = member("dtype");
  if (!dtype.is_string() || element_bytes(dtype.get<std::string>()) == 0) {
    throw std::runtime_error("has the unknown dtype " + printable(json_text(dtype)));
  }
  entry.dtype = dtype.get<std::string>();
  const Json& shape = member("shape");
  const Json& offsets = member("data_offsets");
  if (!shape.is_array()) throw std::runtime_error("has a shape that is no list");
  if (shape.size() > kMostDimensions) {
    throw std::runtime_error("has " + std::to_string(shape.size()) + " dimensions; at most " +
                             std::to_string(kMostDimensions) + " are read");
  }
  if (!offsets.is_array() || offsets.size() != 2) {
    throw std::runtime_error("has data_offsets that are no pair");
  }
  entry.begin = natural(offsets[0], "an offset of");
  entry.end = natural(offsets[1], "an offset of");
  if (entry.begin > entry.end || entry.end > data_bytes) {
    throw std::runtime_error("has bytes " + std::to_string(entry.begin) + " to " + std::to_string(entry.end) +
                             " of " + std::to_string(data_bytes) + "; is the file truncated?");
  }

  int64_t bytes = element_bytes(entry.dtype);
  for (const Json& dimension : shape) {
    entry.shape.push_back(natural(dimension, "a dimension of"));
    if (__builtin_mul_overflow(bytes, entry.shape.back(), &bytes)) {
      throw std::runtime_error("has a shape beyond all memory");
    }
  }
  entry.count = bytes / element_bytes(entry.dtype);
  if (bytes != entry.end - entry.begin) {
    throw std::runtime_error("has " + std::to_string(entry.end - entry.begin) + " bytes, shape " +
                             shape_text(entry.shape) + " of " + entry.dtype + " needs " +
                             std::to_string(bytes));
  }
  return entry;
}

}  // namespace

// ---------------------------------------------------------------- reading

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw Error(Status::kWeights, path + ": no such file");
  if (!std::filesystem::is_regular_file(status)) {
    throw Error(Status::kWeights, path + ": is not a regular file");
  }
  const auto stream = std::make_shared<std::ifstream>(path, std::ios::binary);
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, error));
  if (!*stream || error) throw Error(Status::kWeights, path + ": cannot be opened for reading");
  return SafetensorsFile(path, size, [stream, path](void* destination, int64_t offset, int64_t bytes) {
    stream->seekg(offset);
    if (!stream->read(static_cast<char*>(destination), bytes)) {
      throw Error(Status::kWeights, path + ": cannot be read; was it changed meanwhile?");
    }
  });
}

SafetensorsFile SafetensorsFile::from_memory(const void* data, size_t size, const std::string& name) {
  const auto* bytes_of_file = static_cast<const char*>(data);
  const auto copy = [bytes_of_file](void* destination, int64_t offset, int64_t bytes) {
    if (bytes > 0) std::memcpy(destination, bytes_of_file + offset, static_cast<size_t>(bytes));
  };
  return SafetensorsFile(name, static_cast<int64_t>(size), copy);
}

SafetensorsFile::SafetensorsFile(std::string name, int64_t size, Reader reader)
    : name_(std::move(name)), reader_(std::move(reader)) {
  std::string start(static_cast<size_t>(std::min<int64_t>(size, 64)), '\0');
  reader_(start.data(), 0, static_cast<int64_t>(start.size()));
  if (start.empty()) fail("is empty");
  uint64_t length = 0;
  std::memcpy(&length, start.data(), std::min(start.size(), sizeof length));
  const bool object_follows = size > kLengthBytes && start[kLengthBytes] == '{';
  if (!object_follows) fail(other_format(start));
  if (length > static_cast<uint64_t>(std::min(size - kLengthBytes, kMaxHeaderBytes))) {
    fail("has a header of " + std::to_string(length) + " bytes, a file of " + std::to_string(size) +
         " bytes has room for " + std::to_string(std::min(size - kLengthBytes, kMaxHeaderBytes)) +
         "; download or convert it again");
  }
  data_begin_ = kLengthBytes + static_cast<int64_t>(length);
  data_bytes_ = size - data_begin_;
  std::string text(length, '\0');
  reader_(text.data(), kLengthBytes, static_cast<int64_t>(length));
  parse_header(text);
  check_coverage();
}

void SafetensorsFile::parse_header(const std::string& text) {
  const Json header = parse_json(text, name_ + ": has a header that", Status::kWeights);
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") {
      if (!value.is_object()) fail("has a __metadata__ that is no object");
      for (const auto& [name, content] : value.items()) {
        if (!content.is_string()) fail("has metadata '" + printable(name) + "' that is no text");
        metadata_[name] = content.get<std::string>();
      }
      continue;
    }
    if (printable(key) != key) fail("has a tensor with an absurd name: " + printable(key));
    try {
      entries_[key] = parse_entry(value, data_bytes_);
    } catch (const std::runtime_error& problem) {
      fail(key + " " + problem.what());
    }
  }
}

void SafetensorsFile::check_coverage() const {
  using Item = std::pair<const std::string, SafetensorsEntry>;
  std::vector<const Item*> order;
  for (const Item& item : entries_) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return std::make_pair(a->second.begin, a->second.end) < std::make_pair(b->second.begin, b->second.end);
  });
  int64_t covered = 0;
  for (const Item* item : order) {
    if (item->second.begin != covered) {
      fail(item->first + " starts at byte " + std::to_string(item->second.begin) +
           ", the tensor before ends at " + std::to_string(covered));
    }
    covered = item->second.end;
  }
  if (covered != data_bytes_) {
    fail("has " + std::to_string(data_bytes_) + " bytes of data, its tensors cover " +
         std::to_string(covered));
  }
}

void SafetensorsFile::fail(const std::string& problem) const {
  throw Error(Status::kWeights, name_ + ": " + problem);
}

template <typename T>
std::vector<T> SafetensorsFile::read(const std::string& tensor) const {
  const auto found = entries_.find(tensor);
  if (found == entries_.end()) fail("has no tensor " + tensor);
  const SafetensorsEntry& entry = found->second;
  std::vector<T> values(static_cast<size_t>(entry.count));
  const auto widen = [&](auto stored, auto&& convert) {
    std::vector<decltype(stored)> raw(values.size());
    reader_(raw.data(), data_begin_ + entry.begin, entry.end - entry.begin);
    std::transform(raw.begin(), raw.end(), values.begin(), convert);
  };
  if (entry.dtype == (std::is_same_v<T, float> ? "F32" : "F64")) {
    reader_(values.data(), data_begin_ + entry.begin, entry.end - entry.begin);
  } else if (entry.dtype == "F32") {
    widen(float{}, [](float value) { return static_cast<T>(value); });
  } else if (entry.dtype == "F16") {
    widen(uint16_t{}, [](uint16_t bits) { return static_cast<T>(half_to_float(bits)); });
  } else if (entry.dtype == "BF16") {
    widen(uint16_t{}, [](uint16_t bits) { return static_cast<T>(bfloat16_to_float(bits)); });
  } else {
    fail(tensor + " has dtype " + entry.dtype + ", " + (std::is_same_v<T, float> ? "F32" : "F64, F32") +
         ", F16 or BF16 is needed");
  }
  return values;
}
template std::vector<float> SafetensorsFile::read<float>(const std::string&) const;
template std::vector<double> SafetensorsFile::read<double>(const std::string&) const;

// ---------------------------------------------------------------- writing

template <typename T>
void write_safetensors(const std::string& path, const std::vector<SafetensorsOutput<T>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::vector<int64_t> bytes;
  int64_t offset = 0;
  for (const SafetensorsOutput<T>& tensor : tensors) {
    bytes.push_back(sizeof(T));
    for (int64_t dimension : tensor.shape) bytes.back() *= dimension;
    header[tensor.name] = {{"dtype", sizeof(T) == 4 ? "F32" : "F64"},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + bytes.back()}}};
    offset += bytes.back();
  }
  std::string text = json_text(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data is then aligned for readers that map the file

  std::vector<uint8_t> file(kLengthBytes + text.size() + static_cast<size_t>(offset));
  const uint64_t length = text.size();
  std::memcpy(file.data(), &length, sizeof length);
  std::memcpy(file.data() + kLengthBytes, text.data(), text.size());
  uint8_t* destination = file.data() + kLengthBytes + text.size();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (bytes[i] > 0) std::memcpy(destination, tensors[i].values, static_cast<size_t>(bytes[i]));
    destination += bytes[i];
  }
  atomic_write_file(path, file.data(), file.size());
}
template void write_safetensors<float>(const std::string&, const std::vector<SafetensorsOutput<float>>&,
                                       const std::map<std::string, std::string>&);
template void write_safetensors<double>(const std::string&, const std::vector<SafetensorsOutput<double>>&,
                                        const std::map<std::string, std::string>&);

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (int64_t dimension : shape) text += (text.empty() ? "" : ", ") + std::to_string(dimension);
  return "(" + text + ")";
}

}  // namespace swag
