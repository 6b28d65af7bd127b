// Text of unknown origin, made fit for a terminal and for one line of a message.
#pragma once
#include <cstddef>
#include <string>

namespace swag {

/// `text` without anything that could move a cursor, change a colour, break the line or hide what is written:
/// control characters, marks of direction, line separators and what is no UTF-8 become \xNN, byte by byte;
/// everything else stays. A text of more than `most` bytes is shortened to about as many, "..." at its end.
std::string printable(const std::string& text, size_t most = 200);

}  // namespace swag
