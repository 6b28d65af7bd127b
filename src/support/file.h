// Whole files in, whole files out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "src/support/error.h"

namespace swag {

/// The bytes of a file. Throws Error(status) for a missing file, a directory, an unreadable or an empty file,
/// and for one of more than `max_bytes`.
std::vector<uint8_t> read_file(const std::string& path, Status status, int64_t max_bytes);

/// Writes a file as a whole or not at all: into a temporary file in the same folder, which is then renamed.
/// An existing file is replaced, and stays as it was when anything fails. Throws Error(kOutput).
void atomic_write_file(const std::string& path, const void* data, size_t size);

}  // namespace swag
