// SHA-256 (FIPS 180-4), to check that a download is the file that torchvision's authors published.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace swag {

class Sha256 {
 public:
  void update(const void* data, size_t size);

  /// The digest of everything given so far as 64 hexadecimal digits. The object is used up.
  std::string finish();

 private:
  void compress(const uint8_t* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> block_{};
  uint64_t bytes_ = 0;
};

/// The digest of an open file, from its first byte on, wherever it stands; `name` is for messages. Throws
/// Error(kWeights) when it cannot be read.
std::string sha256_of(int descriptor, const std::string& name);

/// The digest of a file. Throws Error(kWeights) when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace swag
