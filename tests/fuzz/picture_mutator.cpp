#include "tests/fuzz/picture_mutator.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace swag::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

/// A chunk of a PNG or a segment of a JPEG, with the bytes that come before its body and behind it.
struct Part {
  Bytes head;  // PNG: type; JPEG: 0xff and the marker
  Bytes body;
  Bytes tail;  // JPEG: the compressed data up to the next marker
};

uint32_t crc32(const Bytes& head, const Bytes& body) {
  uint32_t crc = 0xffffffffu;
  const auto add = [&](uint8_t byte) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  };
  for (uint8_t byte : head) add(byte);
  for (uint8_t byte : body) add(byte);
  return ~crc;
}

void put(Bytes& file, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) file.push_back(static_cast<uint8_t>(value >> 8 * i));
}

uint32_t get(const uint8_t* p, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | p[i];
  return value;
}

std::vector<Part> png_parts(const uint8_t* file, size_t size) {
  std::vector<Part> parts;
  for (size_t at = 8; at + 12 <= size;) {
    const size_t length = std::min<size_t>(get(file + at, 4), size - at - 12);
    parts.push_back({Bytes(file + at + 4, file + at + 8), Bytes(file + at + 8, file + at + 8 + length), {}});
    at += 12 + length;
  }
  return parts;
}

Bytes png_file(const std::vector<Part>& parts) {
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  for (const Part& part : parts) {
    put(file, part.body.size(), 4);
    file.insert(file.end(), part.head.begin(), part.head.end());
    file.insert(file.end(), part.body.begin(), part.body.end());
    put(file, crc32(part.head, part.body), 4);
  }
  return file;
}

std::vector<Part> jpeg_parts(const uint8_t* file, size_t size) {
  std::vector<Part> parts;
  for (size_t at = 2; at + 1 < size;) {
    Part part{Bytes(file + at, file + at + 2), {}, {}};
    at += 2;
    const bool alone = part.head[1] <= 0x01 || (part.head[1] >= 0xd0 && part.head[1] <= 0xd9);
    if (!alone && at + 2 <= size) {
      const size_t length = std::min<size_t>(std::max(2u, get(file + at, 2)), size - at);
      part.body.assign(file + at + 2, file + at + length);
      at += length;
    }
    const size_t begin = at;
    while (at + 1 < size && (file[at] != 0xff || file[at + 1] == 0)) ++at;
    part.tail.assign(file + begin, file + at);
    parts.push_back(std::move(part));
  }
  return parts;
}

Bytes jpeg_file(const std::vector<Part>& parts) {
  Bytes file = {0xff, 0xd8};
  for (const Part& part : parts) {
    file.insert(file.end(), part.head.begin(), part.head.end());
    const bool alone = part.head[1] <= 0x01 || (part.head[1] >= 0xd0 && part.head[1] <= 0xd9);
    if (!alone) put(file, std::min<size_t>(part.body.size() + 2, 0xffff), 2);
    file.insert(file.end(), part.body.begin(), part.body.end());
    file.insert(file.end(), part.tail.begin(), part.tail.end());
  }
  return file;
}

void mutate(Bytes& bytes, size_t most) {
  const size_t size = bytes.size();
  bytes.resize(std::max(size + 64, size_t{1}));
  bytes.resize(LLVMFuzzerMutate(bytes.data(), size, std::min(bytes.size(), std::max<size_t>(most, 1))));
}

void mutate_parts(std::vector<Part>& parts, size_t room, std::minstd_rand& random) {
  const size_t i = random() % parts.size(), j = random() % parts.size();
  switch (random() % 8) {
    case 0: parts.insert(parts.begin() + static_cast<ptrdiff_t>(j), Part(parts[i])); break;
    case 1: parts.erase(parts.begin() + static_cast<ptrdiff_t>(i)); break;
    case 2: std::swap(parts[i], parts[j]); break;
    case 3: parts[i].head.back() = static_cast<uint8_t>(random()); break;
    case 4: mutate(parts[i].tail.empty() ? parts[i].body : parts[i].tail, parts[i].tail.size() + room); break;
    default: mutate(parts[i].body, parts[i].body.size() + room);
  }
}

}  // namespace

size_t mutate_picture(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  std::minstd_rand random(seed);
  const bool png = size > 20 && std::memcmp(data, "\x89PNG", 4) == 0;
  const bool jpeg = size > 20 && data[0] == 0xff && data[1] == 0xd8;
  if (!(png || jpeg) || random() % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::vector<Part> parts = png ? png_parts(data, size) : jpeg_parts(data, size);
  if (parts.empty()) return LLVMFuzzerMutate(data, size, max_size);
  for (unsigned times = 1 + random() % 3; times > 0 && !parts.empty(); --times) {
    mutate_parts(parts, max_size > size ? max_size - size : 0, random);
  }
  const Bytes file = png ? png_file(parts) : jpeg_file(parts);
  const size_t written = std::min(file.size(), max_size);
  std::memcpy(data, file.data(), written);
  return written;
}

}  // namespace swag::fuzz
