// Counts as JSON, for tools/kernel_report.py.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "tests/emulator/emulator.h"

namespace emulator {

/// Launches that together do one thing, and what it must cost at least.
struct ReportCase {
  std::string name;                  // "convolution 3, tiled: 64 channels, 32x32"
  bool fast = false;                 // its counts must not get worse
  double multiply_adds = 0;          // 0: not what bounds it
  double floor_bytes = 0;            // inputs read once and outputs written once; 0: not known
  std::vector<KernelCount> kernels;  // take_counts() after it
};

/// One object: {"cases": [{"name", "fast", "multiply_adds", "floor_bytes", "kernels": [{..., "lines":
/// [...]}]}]}.
void write_counts_json(std::FILE* file, const std::vector<ReportCase>& cases);

}  // namespace emulator
