// A picture file in memory: what every decoder is given, and the words for what is wrong with it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "src/image/resize.h"

namespace swag {

struct PictureFile {
  const uint8_t* data = nullptr;
  size_t size = 0;
  std::string name;                           // printable
  SizeRule wanted;                            // the size that the picture will be brought to
  std::vector<std::string>* notes = nullptr;  // where warnings go, or nowhere

  /// Throws Error(kImage).
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_truncated() const;

  /// The number in the `bytes` from `at`, of up to 4, the lowest first. Refuses a file that ends before.
  uint32_t little_endian(size_t at, int bytes) const;

  /// What the reader of the picture should know, but what is no reason to refuse it. Said once.
  void note(const std::string& what) const;

  /// Refuses, by a header alone, what is larger than reason, a single pixel, and more than `most_pixels`: as
  /// many as a file of this size can hold in its format, however flat the picture.
  void check_size(int64_t h, int64_t w, double most_pixels) const;

  /// Refuses a picture that needs more bytes to be read than are free: Error(kMemory).
  void check_memory(int64_t h, int64_t w, int64_t bytes) const;
};

}  // namespace swag
