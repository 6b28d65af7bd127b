// The three streams that every program is given, or is not.
#pragma once

namespace swag::cli {

/// Puts /dev/null where standard input, output or error is closed, so that no file of ours gets its number
/// and other people's messages. What is written to a closed standard output fails.
void open_standard_streams();

/// Sends off what was printed. Throws Error(kOutput) when any of it could not be written.
void flush_standard_output();

}  // namespace swag::cli
