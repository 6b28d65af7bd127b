// `swag bench`: how long one evaluation takes here, and what each of its ops takes of that.
#include "src/run/bench.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "src/api/options.h"
#include "src/cli/command.h"
#include "src/cli/make_model.h"
#include "src/run/plan.h"
#include "src/support/error.h"
#include "src/support/json.h"
#include "src/support/printable.h"

namespace swag::cli {
namespace {

constexpr Range kSize{1, 32768};
constexpr Range kRepeat{1, 100000};

using Json = nlohmann::ordered_json;

struct BenchRequest {
  Settings settings;
  int size = 512, repeat = 5;
  bool json = false;

  Precision computed_in = Precision::kSingle;  // on the device

  const char* precision() const { return name_of(computed_in); }
  const char* conv() const { return name_of(static_cast<Conv2dAlgorithm>(settings.api.conv)); }
};

void settle_precision(BenchRequest& request, const Backend& backend, Precision wanted) {
  const std::string note = precision_note(backend, wanted);
  if (!note.empty()) std::fprintf(stderr, "swag: warning: %s\n", note.c_str());
  request.computed_in = precision_on(backend, wanted);
}

int integer_of(const char* option, const std::string& text, const Range& range) {
  try {
    return parse_integer(text, range);
  } catch (const Error& error) {
    throw Error(error.status(), std::string(option) + ": " + error.what());
  }
}

std::optional<BenchRequest> parse_bench(Parser& parser, std::vector<std::string> more,
                                        const Arguments& arguments) {
  BenchRequest request;
  std::string size = "512", repeat = "5";
  parser.add_option("-s,--size", size, "Side of the square image [512]").type_name("N");
  parser.add_option("--repeat", repeat, "Evaluations that are timed [5]").type_name("N");
  parser.add_flag("--json", request.json, "An object a line, the last one the summary");
  for (const char* name : {"--network", "--pooling", "--weights", "--seed", "--loss", "--style-loss",
                           "--tv-weight", "--tv-stencil", "--padding", "--style-layers", "--content-layers",
                           "--smoothing", "--smoothing-layers", "--temperature", "--entropy", "--device",
                           "--threads", "--precision", "--conv"}) {
    more.push_back(name);
  }
  const OptionSet options(parser, more);
  if (!parser.parse(arguments)) return std::nullopt;
  request.size = integer_of("--size", size, kSize);
  request.repeat = integer_of("--repeat", repeat, kRepeat);
  request.settings.weights = "random";
  request.settings.api.padding = SWAG_PADDING_ZEROS;  // torchvision's network
  options.apply_to(request.settings);
  expand(request.settings);
  return request;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

// ---------------------------------------------------------------- network

void report(const BenchRequest& request, const NetworkBench& result) {
  const Settings& settings = request.settings;
  const std::vector<double>& all = result.milliseconds;
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  if (!request.json) {
    std::printf(
        "%s, %dx%d, %s, %s: %.1f ms (median of %zu, %.1f to %.1f), peak memory %.0f MB, arena %.0f MB\n",
        settings.network.c_str(), request.size, request.size, settings.device.c_str(), request.precision(),
        median(all), all.size(), *least, *most, static_cast<double>(result.peak_bytes) / 1e6,
        static_cast<double>(result.arena_bytes) / 1e6);
    return;
  }
  for (size_t i = 0; i < all.size(); ++i) {
    std::printf("%s\n", json_text(Json{{"evaluation", i + 1}, {"ms", all[i]}}).c_str());
  }
  const Json summary = {{"network", settings.network},
                        {"size", request.size},
                        {"device", settings.device},
                        {"precision", request.precision()},
                        {"conv", request.conv()},
                        {"style_loss", name_of(static_cast<StyleLossKind>(settings.api.style_loss))},
                        {"ms_median", median(all)},
                        {"ms_min", *least},
                        {"ms_max", *most},
                        {"peak_bytes", result.peak_bytes},
                        {"arena_bytes", result.arena_bytes}};
  std::printf("%s\n", json_text(summary).c_str());
}

int bench_network_command(const Arguments& arguments) {
  Parser parser(
      "bench network", "swag bench network [--network NAME] [--size N] [--threads N] [--repeat N] [--json]",
      "Times one evaluation: the image's forward pass, the losses and the pixel gradient, on noise, after "
      "one that is not timed. Style and content are prepared before, the weights are random unless given.");
  std::optional<BenchRequest> request = parse_bench(parser, {}, arguments);
  if (!request) return 0;
  const StylizeOptions options = stylize_options(request->settings.options());
  Model model = make_model(request->settings);
  model.graph = graph_for(model.graph, options);
  const auto backend = make_backend(request->settings.device, request->settings.api.threads);
  settle_precision(*request, *backend, options.wanted_precision());
  report(*request, bench_network(*backend, model, options, request->size, request->repeat));
  return 0;
}

// ---------------------------------------------------------------- ops

/// A line of the table: one op at one shape, or all shapes of an op.
struct OpLine {
  std::string op, shape;
  double calls = 0, milliseconds = 0, flops = 0, bytes = 0;  // of one evaluation

  double gigabytes_per_second() const { return bytes / milliseconds * 1e-6; }
  double gigaflops() const { return flops / milliseconds * 1e-6; }
};

std::vector<OpLine> lines_of(const OpsBench& result, int repeat) {
  std::vector<OpLine> lines;
  for (const OpTime& op : result.ops) {
    const double calls = static_cast<double>(op.milliseconds.size()) / repeat;
    lines.push_back({op.work.op, op.work.shape, calls, median(op.milliseconds) * calls, op.work.flops * calls,
                     op.work.bytes * calls});
  }
  return lines;
}

std::vector<OpLine> sums_of(const std::vector<OpLine>& lines) {
  std::vector<OpLine> sums;
  for (const OpLine& line : lines) {
    auto sum = std::find_if(sums.begin(), sums.end(), [&](const OpLine& s) { return s.op == line.op; });
    if (sum == sums.end()) sum = sums.insert(sum, {line.op, "all shapes"});
    sum->calls += line.calls;
    sum->milliseconds += line.milliseconds;
    sum->flops += line.flops;
    sum->bytes += line.bytes;
  }
  std::stable_sort(sums.begin(), sums.end(),
                   [](const OpLine& a, const OpLine& b) { return a.milliseconds > b.milliseconds; });
  return sums;
}

void print_lines(const std::vector<OpLine>& lines, const Peaks& peaks, double total) {
  for (const OpLine& line : lines) {
    std::printf("%-24s %-60s %6.1f %10.3f %6.1f%% %8.1f %5.0f%%", line.op.c_str(), line.shape.c_str(),
                line.calls, line.milliseconds, 100 * line.milliseconds / total, line.gigabytes_per_second(),
                100e9 * line.gigabytes_per_second() / peaks.bytes_per_second);
    if (line.flops > 0) {
      std::printf(" %9.1f %5.0f%%", line.gigaflops(), 100e9 * line.gigaflops() / peaks.flops);
    }
    std::printf("\n");
  }
}

void report(const BenchRequest& request, const OpsBench& result) {
  const Settings& settings = request.settings;
  const Peaks& peaks = result.peaks;
  const std::vector<OpLine> lines = lines_of(result, request.repeat);
  double total = 0;
  for (const OpLine& line : lines) total += line.milliseconds;
  if (request.json) {
    for (const OpLine& line : lines) {
      const Json json = {{"op", line.op},
                         {"shape", line.shape},
                         {"precision", request.precision()},
                         {"calls", line.calls},
                         {"ms", line.milliseconds / line.calls},
                         {"gb_per_s", line.gigabytes_per_second()},
                         {"of_copy_peak", 1e9 * line.gigabytes_per_second() / peaks.bytes_per_second},
                         {"gflops", line.gigaflops()},
                         {"of_matrix_peak", 1e9 * line.gigaflops() / peaks.flops}};
      std::printf("%s\n", json_text(json).c_str());
    }
    const Json summary = {{"network", settings.network},
                          {"size", request.size},
                          {"device", settings.device},
                          {"precision", request.precision()},
                          {"conv", request.conv()},
                          {"ms", total},
                          {"copy_gb_per_s", peaks.bytes_per_second * 1e-9},
                          {"matrix_gflops", peaks.flops * 1e-9}};
    std::printf("%s\n", json_text(summary).c_str());
    return;
  }
  std::printf(
      "%s, %dx%d, %s, %s: %.1f ms in ops; this machine's streaming %.1f GB/s, its matrix product %.1f "
      "GFLOP/s\n\n",
      settings.network.c_str(), request.size, request.size, settings.device.c_str(), request.precision(),
      total, peaks.bytes_per_second * 1e-9, peaks.flops * 1e-9);
  std::printf("%-24s %-60s %6s %10s %7s %8s %6s %9s %6s\n", "op", "shape", "calls", "ms", "share", "GB/s",
              "peak", "GFLOP/s", "peak");
  print_lines(lines, peaks, total);
  std::printf("\n");
  print_lines(sums_of(lines), peaks, total);
}

int bench_ops_command(const Arguments& arguments) {
  Parser parser(
      "bench ops", "swag bench ops [--network NAME] [--size N] [--threads N] [--repeat N] [--json]",
      "Times every op of an evaluation and of the optimiser's step after it, where it runs: milliseconds in "
      "an evaluation (the median call times the number of calls), its share, and the bytes and operations "
      "that it must at least move and do per second, against the machine's measured peaks.");
  std::optional<BenchRequest> request = parse_bench(parser, {"--optimizer", "--history"}, arguments);
  if (!request) return 0;
  const StylizeOptions options = stylize_options(request->settings.options());
  Model model = make_model(request->settings);
  model.graph = graph_for(model.graph, options);
  const auto backend = make_backend(request->settings.device, request->settings.api.threads);
  settle_precision(*request, *backend, options.wanted_precision());
  report(*request, bench_ops(*backend, model, options, request->size, request->repeat));
  return 0;
}

}  // namespace

int bench_command(const Arguments& arguments) {
  if (arguments.empty() || arguments.front()[0] == '-') return bench_network_command(arguments);
  const Arguments rest(arguments.begin() + 1, arguments.end());
  if (arguments.front() == "network") return bench_network_command(rest);
  if (arguments.front() == "ops") return bench_ops_command(rest);
  throw Error(Status::kUsage,
              "bench: '" + printable(arguments.front()) + "' is no benchmark; there are network and ops");
}

}  // namespace swag::cli
