// What the fuzz targets share: numbers and words drawn from an input, and what counts as an answer.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <new>
#include <string>
#include <vector>

#include "src/support/error.h"

namespace swag::fuzz {

/// Ends the process with a reason, which the fuzzer takes for a crash.
[[noreturn]] inline void fail(const char* what, const std::string& detail = "") {
  std::fprintf(stderr, "broken promise: %s: %s\n", what, detail.c_str());
  std::abort();
}

inline void require(bool holds, const char* what, const std::string& detail = "") {
  if (!holds) fail(what, detail);
}

/// Messages are short, not empty, and hold nothing that a terminal would obey.
inline void require_message(const std::string& message) {
  const bool obeyed =
      std::any_of(message.begin(), message.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
  require(!message.empty() && !obeyed, "a message is one printable line", message);
  require(message.size() <= 8192, "a message is short", message);
}

/// Runs the body; returns whether it got to its end. Its refusal must be an Error of one of these statuses;
/// every other exception is a crash. The program prints names of files, and words of its user, as fit for a
/// terminal; where a message may hold them, `check_text` is false.
template <typename Body>
bool answers(std::initializer_list<Status> allowed, Body&& body, bool check_text = true) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    if (check_text) require_message(error.what());
    const bool expected = std::find(allowed.begin(), allowed.end(), error.status()) != allowed.end();
    require(expected, "the status fits",
            std::to_string(static_cast<int>(error.status())) + ": " + error.what());
  }
  return false;
}

/// Draws from an input; an input that has come to its end gives zeros.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  size_t left() const { return left_; }
  uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  bool flag() { return byte() % 2 != 0; }
  /// From low to high, both included; few values take one byte.
  int64_t number(int64_t low, int64_t high) {
    const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
    uint64_t value = byte();
    if (span > 256) value = value << 8 | byte();
    return static_cast<int64_t>(static_cast<uint64_t>(low) + value % span);
  }
  template <typename T>
  T any() {
    uint8_t bytes[sizeof(T)];
    for (uint8_t& each : bytes) each = byte();
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  template <typename T, size_t N>
  const T& one_of(const T (&values)[N]) {
    return values[byte() % N];
  }
  /// Up to 255 bytes, without NUL.
  std::string text() {
    std::string result;
    for (size_t wanted = byte(); wanted > 0 && left_ > 0; --wanted) {
      if (const uint8_t next = byte()) result += static_cast<char>(next);
    }
    return result;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace swag::fuzz
