#include "tests/emulator/count_json.h"

#include <cinttypes>

namespace emulator {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void write_line(std::FILE* file, const LineCount& line) {
  const auto text = [](bool value) { return value ? "true" : "false"; };
  std::fprintf(
      file,
      "{\"file\": %s, \"line\": %d, \"shared\": %s, \"write\": %s, \"atomic\": %s, \"requests\": %" PRIu64
      ", \"lanes\": %" PRIu64 ", \"moved\": %" PRIu64 ", \"fewest\": %" PRIu64 "}",
      quoted(line.file).c_str(), line.line, text(line.shared), text(line.write), text(line.atomic),
      line.requests, line.lanes, line.moved, line.fewest);
}

void write_kernel(std::FILE* file, const KernelCount& kernel) {
  std::fprintf(file, "     {\"kernel\": %s", quoted(kernel.kernel).c_str());
  const std::pair<const char*, uint64_t> numbers[] = {
      {"launches", kernel.launches},
      {"blocks", kernel.blocks},
      {"threads", kernel.threads},
      {"barriers", kernel.barriers},
      {"sectors", kernel.sectors},
      {"fewest_sectors", kernel.fewest_sectors},
      {"wavefronts", kernel.wavefronts},
      {"fewest_wavefronts", kernel.fewest_wavefronts},
      {"partial_requests", kernel.partial_requests},
      {"distinct_bytes", kernel.distinct_bytes},
      {"static_shared", kernel.static_shared},
      {"dynamic_shared", kernel.dynamic_shared},
  };
  for (const auto& [name, value] : numbers) std::fprintf(file, ", \"%s\": %" PRIu64, name, value);
  std::fprintf(file, ", \"lines\": [");
  const char* separator = "\n       ";
  for (const LineCount& line : kernel.lines) {
    std::fputs(separator, file);
    write_line(file, line);
    separator = ",\n       ";
  }
  std::fprintf(file, "]}");
}

}  // namespace

void write_counts_json(std::FILE* file, const std::vector<ReportCase>& cases) {
  std::fprintf(file, "{\"cases\": [");
  const char* separator = "\n";
  for (const ReportCase& report : cases) {
    std::fprintf(
        file,
        "%s  {\"name\": %s, \"fast\": %s, \"multiply_adds\": %.0f, \"floor_bytes\": %.0f, \"kernels\": [",
        separator, quoted(report.name).c_str(), report.fast ? "true" : "false", report.multiply_adds,
        report.floor_bytes);
    const char* between = "\n";
    for (const KernelCount& kernel : report.kernels) {
      std::fputs(between, file);
      write_kernel(file, kernel);
      between = ",\n";
    }
    std::fprintf(file, "]}");
    separator = ",\n";
  }
  std::fprintf(file, "\n]}\n");
}

}  // namespace emulator
