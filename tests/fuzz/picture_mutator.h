// Changes that leave a JPEG's or a PNG's outer structure whole, so that they reach what lies behind it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace swag::fuzz {

/// For LLVMFuzzerCustomMutator. One time in four, and for other formats always, the plain mutation.
size_t mutate_picture(uint8_t* data, size_t size, size_t max_size, unsigned seed);

}  // namespace swag::fuzz
