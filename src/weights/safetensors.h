// Safetensors files (github.com/huggingface/safetensors): 8 bytes of header length, a JSON header with one
// entry per tensor (dtype, shape, byte range), then the data. A file is untrusted: every number of the header
// is checked against the file before anything is read, and the data stays on disk until a tensor is asked
// for.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace swag {

/// One tensor of a file. `begin` and `end` are bytes from the start of the data.
struct SafetensorsEntry {
  std::string dtype;           // the format's name: "F32"
  std::vector<int64_t> shape;  // empty for a scalar
  int64_t count = 0;           // elements: the product of the shape
  int64_t begin = 0, end = 0;
};

class SafetensorsFile {
 public:
  /// Opens a file and checks its header: known dtypes, shapes whose bytes are the range's, ranges that cover
  /// the data without gap or overlap. Throws Error(kWeights) with the file, the tensor, expected and actual.
  static SafetensorsFile open(const std::string& path);

  /// The same for a file in memory, which must outlive the object; `name` stands for the path in messages.
  static SafetensorsFile from_memory(const void* data, size_t size, const std::string& name);

  const std::string& name() const { return name_; }
  const std::map<std::string, SafetensorsEntry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The tensor's values, widened to T, float or double, without rounding. Throws Error(kWeights) for an
  /// unknown name and for a dtype that T cannot hold (F64 as float, integers as either).
  template <typename T>
  std::vector<T> read(const std::string& tensor) const;

 private:
  /// Copies `bytes` bytes at `offset` of the whole file.
  using Reader = std::function<void(void* destination, int64_t offset, int64_t bytes)>;

  SafetensorsFile(std::string name, int64_t size, Reader reader);
  void parse_header(const std::string& text);
  void check_coverage() const;
  [[noreturn]] void fail(const std::string& problem) const;

  std::string name_;
  int64_t data_begin_ = 0, data_bytes_ = 0;
  Reader reader_;
  std::map<std::string, SafetensorsEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// One tensor to write; `values` are not copied.
template <typename T>
struct SafetensorsOutput {
  std::string name;
  std::vector<int64_t> shape;
  const T* values = nullptr;  // (product of the shape)
};

/// Writes tensors of T, float (F32) or double (F64), in the order given, through a temporary file that is
/// renamed. Equal input gives equal bytes. Throws Error(kOutput).
template <typename T>
void write_safetensors(const std::string& path, const std::vector<SafetensorsOutput<T>>& tensors,
                       const std::map<std::string, std::string>& metadata);

/// "(64, 3, 7, 7)", as messages show a shape.
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace swag
