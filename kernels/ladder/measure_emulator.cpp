// measure.h on the emulator.
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "kernels/ladder/measure.h"
#include "tests/emulator/count_json.h"
#include "tests/emulator/emulator.h"

namespace swag::ladder {
namespace {

std::vector<emulator::ReportCase>& all_cases() {
  static std::vector<emulator::ReportCase> cases;
  return cases;
}

}  // namespace

void open_device(const DeviceOptions& options) {
  emulator::Options emulated;
  emulated.check = options.check;
  emulated.shuffle = options.shuffle;
  emulator::configure(emulated);
}

std::string device_name() { return "emulated " + emulator::options().architecture; }

bool runs_hopper(const DeviceOptions&) { return true; }

int64_t affordable_products() { return 8'000'000; }

Counts count(const Case& what, const std::function<void()>& launches) {
  emulator::Options counting = emulator::options();
  const emulator::Options before = counting;
  counting.count = true;
  emulator::configure(counting);
  emulator::take_counts();
  launches();
  emulator::ReportCase measured{what.name, what.fast, what.multiply_adds, what.floor_bytes,
                                emulator::take_counts()};
  emulator::configure(before);

  Counts counts;
  counts.known = true;
  for (const emulator::KernelCount& k : measured.kernels) {
    counts.sectors += k.sectors;
    counts.fewest_sectors += k.fewest_sectors;
    counts.wavefronts += k.wavefronts;
    counts.fewest_wavefronts += k.fewest_wavefronts;
    counts.barriers += k.barriers;
    counts.launches += k.launches;
    for (const emulator::LineCount& l : k.lines) counts.requests += l.requests;
  }
  all_cases().push_back(std::move(measured));
  return counts;
}

Times time(const std::function<void()>&) { return {}; }

int64_t findings() { return static_cast<int64_t>(emulator::take_findings().size()); }

void write_counts(const std::string& file) {
  std::FILE* out = std::fopen(file.c_str(), "w");
  if (out == nullptr) throw std::runtime_error(file + ": cannot be opened");
  emulator::write_counts_json(out, all_cases());
  const bool written = std::ferror(out) == 0;
  if (std::fclose(out) != 0 || !written) throw std::runtime_error(file + ": cannot be written");
}

}  // namespace swag::ladder
