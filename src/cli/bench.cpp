// `swag bench`: how long one evaluation takes here.
#include "src/bench.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <optional>

#include "src/capi_options.h"
#include "src/cli/command.h"
#include "src/cli/make_model.h"
#include "src/error.h"

namespace swag::cli {
namespace {

constexpr Range kSize{1, 32768};
constexpr Range kRepeat{1, 100000};

struct BenchRequest {
  Settings settings;
  int size = 512, repeat = 5;
  bool json = false;
};

int integer_of(const char* option, const std::string& text, const Range& range) {
  try {
    return parse_integer(text, range);
  } catch (const Error& error) {
    throw Error(error.status(), std::string(option) + ": " + error.what());
  }
}

std::optional<BenchRequest> parse_bench(const Arguments& arguments) {
  CLI::App app("", "bench network");
  set_up(app, "swag bench network [--network NAME] [--size N] [--threads N] [--repeat N] [--json]",
         "Times one evaluation: the image's forward pass, the losses and the pixel gradient, on noise. Style "
         "and "
         "content are prepared before, the weights are random unless given.");
  BenchRequest request;
  std::string size = "512", repeat = "5";
  app.add_option("-s,--size", size, "Side of the square image [512]")->type_name("N");
  app.add_option("--repeat", repeat, "Evaluations that are timed, after one that is not [5]")->type_name("N");
  app.add_flag("--json", request.json, "An object a line: every evaluation, then the summary");
  const OptionSet options(app, {"--network", "--pooling", "--weights", "--seed", "--loss", "--tv-weight",
                                "--style-layers", "--content-layers", "--smoothing", "--smoothing-layers",
                                "--temperature", "--entropy", "--device", "--threads", "--precision"});
  if (!parse(app, arguments)) return std::nullopt;
  request.size = integer_of("--size", size, kSize);
  request.repeat = integer_of("--repeat", repeat, kRepeat);
  request.settings.weights = "random";
  options.apply_to(request.settings);
  expand(request.settings);
  return request;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

void report(const BenchRequest& request, const NetworkBench& result) {
  const Settings& settings = request.settings;
  const char* precision = settings.api.precision == SWAG_DOUBLE ? "double" : "single";
  const std::vector<double>& all = result.milliseconds;
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  if (!request.json) {
    std::printf(
        "%s, %dx%d, %s, %s: %.1f ms (median of %zu, %.1f to %.1f), peak memory %.0f MB, arena %.0f MB\n",
        settings.network.c_str(), request.size, request.size, settings.device.c_str(), precision, median(all),
        all.size(), *least, *most, static_cast<double>(result.peak_bytes) / 1e6,
        static_cast<double>(result.arena_bytes) / 1e6);
    return;
  }
  using Json = nlohmann::ordered_json;
  for (size_t i = 0; i < all.size(); ++i) {
    std::printf("%s\n", Json{{"evaluation", i + 1}, {"ms", all[i]}}.dump().c_str());
  }
  const Json summary = {{"network", settings.network},
                        {"size", request.size},
                        {"device", settings.device},
                        {"precision", precision},
                        {"ms_median", median(all)},
                        {"ms_min", *least},
                        {"ms_max", *most},
                        {"peak_bytes", result.peak_bytes},
                        {"arena_bytes", result.arena_bytes}};
  std::printf("%s\n", summary.dump().c_str());
}

}  // namespace

int bench_command(const Arguments& arguments) {
  if (!arguments.empty() && arguments.front() != "network" && arguments.front()[0] != '-') {
    throw Error(Status::kUsage, "bench: '" + arguments.front() + "' is no benchmark; there is network");
  }
  const size_t words = !arguments.empty() && arguments.front() == "network" ? 1 : 0;
  const std::optional<BenchRequest> request =
      parse_bench(Arguments(arguments.begin() + words, arguments.end()));
  if (!request) return 0;
  const StylizeOptions options = stylize_options(request->settings.options());
  const Model model = make_model(request->settings);
  const auto backend = make_backend(request->settings.device, request->settings.api.threads);
  const DType dtype = options.double_precision ? DType::kFloat64 : DType::kFloat32;
  report(*request, bench_network(*backend, model, dtype, options.objective, request->size, request->repeat));
  return 0;
}

}  // namespace swag::cli
