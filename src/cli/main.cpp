#include "src/cli/program.h"

int main(int argc, char** argv) { return swag::cli::run_program(argc, argv); }
