// Maps in device memory, stored as a type says.
#pragma once
#include <memory>
#include <vector>

#include "src/support/half.h"
#include "tests/cuda/device_buffer.h"
#include "tests/small_floats.h"

namespace swag::test {

/// Values that fit the type exactly, in device memory between guards; those that a kernel forgets are NaN.
class StoredMap {
 public:
  StoredMap(int64_t count, DType type, int64_t shift = 0) : type_(type) {
    if (size_of(type) == 4) {
      floats_ = std::make_unique<DeviceBuffer<float>>(count, shift);
    } else {
      small_ = std::make_unique<DeviceBuffer<uint16_t>>(count, shift);
    }
  }
  StoredMap(const std::vector<float>& values, DType type, int64_t shift = 0)
      : StoredMap(static_cast<int64_t>(values.size()), type, shift) {
    upload(values);
  }
  void upload(const std::vector<float>& values) {
    if (floats_) return floats_->upload(values);
    std::vector<uint16_t> bits;
    for (const float value : values) bits.push_back(small_bits(value, type_));
    small_->upload(bits);
  }
  void* data() { return floats_ ? static_cast<void*>(floats_->data()) : small_->data(); }
  template <typename T>
  T* as() {
    return static_cast<T*>(data());
  }
  std::vector<float> values() const {
    if (floats_) return floats_->values();
    std::vector<float> values;
    for (const uint16_t bits : small_->values()) {
      values.push_back(type_ == DType::kFloat16 ? half_to_float(bits) : bfloat16_to_float(bits));
    }
    return values;
  }
  bool intact() const { return floats_ ? floats_->intact() : small_->intact(); }

 private:
  DType type_;
  std::unique_ptr<DeviceBuffer<float>> floats_;
  std::unique_ptr<DeviceBuffer<uint16_t>> small_;
};

}  // namespace swag::test
