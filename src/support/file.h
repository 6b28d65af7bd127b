// Whole files in, whole files out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "src/support/descriptor.h"
#include "src/support/error.h"

namespace swag {

/// The bytes of a file. Throws Error(status) for a missing file, a directory, an unreadable or an empty file,
/// and for one of more than `max_bytes`.
std::vector<uint8_t> read_file(const std::string& path, Status status, int64_t max_bytes);
/// The same of what is left to read of an open file; `path` stands for it in messages.
std::vector<uint8_t> read_file(int file, const std::string& path, Status status, int64_t max_bytes);

/// Opens a file for reading, links followed, and never waits for one who writes into a pipe. Throws
/// Error(status) for what is no regular file.
Descriptor open_regular_file(const std::string& path, Status status);

/// Writes a file as a whole or not at all, and to the disk itself: into a temporary file in the same folder,
/// which then takes the name. An existing file is replaced and stays as it was when anything fails; its
/// permissions go on to the new one, and its owner and group where the system allows it. A link stays, and
/// what it leads to is replaced. Terminals, pipes and devices are written to as they are, until a signal
/// interrupts it. Throws Error(kOutput).
void atomic_write_file(const std::string& path, const void* data, size_t size);

/// Removes the temporary files of this user that a process left in `folder` when it was killed. Whoever
/// writes such a file holds a lock on it, so that one without a lock is known to be left. Never fails.
void remove_leftovers(const std::string& folder) noexcept;

/// Writes all bytes; false, with errno, when the system does not take them. A signal ends it (EINTR) where
/// writing can wait, as in a pipe.
bool write_all(int descriptor, const char* data, size_t size);

}  // namespace swag
