// Changes of a safetensors file that keep its header's length right, and of the numbers in the header.
#pragma once
#include <cstddef>
#include <cstdint>

namespace swag::fuzz {

/// For LLVMFuzzerCustomMutator.
size_t mutate_safetensors(uint8_t* data, size_t size, size_t max_size, unsigned seed);

}  // namespace swag::fuzz
