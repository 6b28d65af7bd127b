// The program without its main(): the test build, whose kernels run on an emulator, has one of its own.
#pragma once

namespace swag::cli {

/// Returns the exit code.
int run_program(int argc, char** argv);

}  // namespace swag::cli
