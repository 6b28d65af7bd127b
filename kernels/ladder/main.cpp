// The ladder's program: checks every step against the CPU twin and prints what it moves, and on a GPU its
// time.
//
//   ladder [--step NAME] [--list] [--check] [--counts FILE] [--shuffle SEED] [--speed] [--once] [--hopper]
//
// Built by nvcc it runs on a GPU, by a host compiler on the emulator.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/ladder/ladder.h"
#include "kernels/ladder/measure.h"
#include "kernels/ladder/verify.h"

namespace swag::ladder {
namespace {

// Of tensor cores, against operands rounded or cut in the same way. Wider than a float's: the emulator rounds
// the sum of an mma.sync to nearest, a GPU cuts the products to the largest one's size and the sum's last
// bits off, all to one side.
constexpr double kTf32Tolerance = 3e-6;

struct Options {
  std::string step, counts_file;
  bool once = false;  // the tables alone, every launch once: for a profiler that counts
  bool list = false, speed = false;
  DeviceOptions device;
};

/// One line of the table.
struct Row {
  std::string name;
  Counts counts;
  double units = 0;  // multiply-adds, or values of a softmax
};

int failures = 0;

void expect(bool ok, const std::string& what) {
  if (ok) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

bool wanted(const Options& options, const char* name) { return options.step.empty() || options.step == name; }

bool wanted(const Options& options, const Conv2dStep& step) {
  return wanted(options, step.name) && (!step.hopper || runs_hopper(options.device));
}

// ------------------------------------------------------------ correctness

void verify_conv2d(const Options& options) {
  int ran = 0, left_out = 0;
  std::map<std::string, int> not_taken;
  for (const test::Conv2dCase& shape : test::conv2d_cases()) {
    const Conv2dLayer& l = shape.layer;
    const Conv2dParams params = shape.params();
    const int64_t products = int64_t{params.h_out()} * params.w_out() * l.c_out * l.kh * l.kw * l.c_in;
    if (products > affordable_products()) {
      ++left_out;
      continue;
    }
    const bool with_epilogue = ran++ % 2 == 0;
    Conv2dProblem problem(shape, with_epilogue);
    for (const Conv2dStep& step : conv2d_steps()) {
      if (!wanted(options, step)) continue;
      if (!step.takes(params)) {
        ++not_taken[step.name];
        continue;
      }
      problem.run(step);
      const double error = problem.error();
      const std::string where = std::string(step.name) + ", " + shape.name;
      expect(error <= step.tolerance, where + ": error " + std::to_string(error * 1e6) + "e-6");
      if (step.operands == Operands::kFloat) continue;
      const double in_tf32 = problem.error_in_tf32(step.operands);
      expect(in_tf32 <= kTf32Tolerance,
             where + ": error against operands in TF32 " + std::to_string(in_tf32 * 1e6) + "e-6");
    }
  }
  std::printf("convolution: %d shapes", ran);
  if (left_out > 0) std::printf(", %d too large for this device left out", left_out);
  std::printf("\n");
  for (const auto& [step, shapes] : not_taken) {
    std::printf("%s: all but %d of them, which a tensor map does not take\n", step.c_str(), shapes);
  }
}

void verify_softmax(const Options& options) {
  const SoftmaxParams shapes[] = {{1, 1, 1},    {1, 5, 0.5},     {7, 3, 2},      {33, 70, 0.3},
                                  {64, 32, 5.}, {1000, 17, 20.}, {1024, 256, 1.}};
  for (const SoftmaxParams& params : shapes) {
    SoftmaxProblem problem(params);
    for (const SoftmaxStep& step : softmax_steps()) {
      if (!wanted(options, step.name)) continue;
      problem.run(step);
      const double error = problem.error();
      expect(error <= step.tolerance, std::string(step.name) + ", " + std::to_string(params.m) + " x " +
                                          std::to_string(params.d) + ": error " +
                                          std::to_string(error * 1e6) + "e-6");
    }
  }
  std::printf("softmax: %zu shapes\n", std::size(shapes));
}

// ------------------------------------------------------------ the table

double ratio(uint64_t a, uint64_t b) { return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 1; }
double each(uint64_t count, double units) { return static_cast<double>(count) / units; }

void print_header(const char* title, const char* unit) {
  std::printf("\n%s\n%-24s %8s %9s %10s %8s %11s %10s %9s  %s\n", title, "", "error", "sectors/",
              "wavefronts", "bytes/", "wavefronts/", "requests/", "barriers", "idea");
  std::printf("%-24s %8s %9s %10s %8s %11s %10s\n", "step", "", "fewest", "/fewest", unit,
              (std::string("1000 ") + unit).c_str(), (std::string("1000 ") + unit).c_str());
}

void print_row(const Row& row, double error, const char* idea) {
  std::printf("%-24s %8.1e ", row.name.c_str(), error);
  if (row.counts.known) {
    const Counts& c = row.counts;
    std::printf("%9.2f %10.2f %8.3f %11.2f %10.2f %9llu", ratio(c.sectors, c.fewest_sectors),
                ratio(c.wavefronts, c.fewest_wavefronts), 32 * each(c.sectors, row.units),
                1000 * each(c.wavefronts, row.units), 1000 * each(c.requests, row.units),
                static_cast<unsigned long long>(c.barriers));
  } else {
    std::printf("%9s %10s %8s %11s %10s %9s", "-", "-", "-", "-", "-", "-");
  }
  std::printf("  %s\n", idea);
}

void print_times(const Times& times, double operations, double bytes) {
  if (!times.known) return;
  std::printf("%-24s %.4f ms (%.4f to %.4f), %.2f TFLOP/s, %.1f GB/s\n", "", times.median * 1e3,
              times.lowest * 1e3, times.highest * 1e3, operations / times.median * 1e-12,
              bytes / times.median * 1e-9);
}

std::vector<Row> table_conv2d(const Options& options, const test::Conv2dCase& shape) {
  print_header(("convolution, " + shape.name).c_str(), "madd");
  Conv2dProblem problem(shape, true);
  const auto units = static_cast<double>(problem.products());
  const double bytes =
      4.0 * (static_cast<double>(shape.h) * shape.w * shape.layer.c_in +
             static_cast<double>(shape.params().h_out()) * shape.params().w_out() * shape.layer.c_out +
             static_cast<double>(shape.layer.kh) * shape.layer.kw * shape.layer.c_in * shape.layer.c_out);
  std::vector<Row> rows;
  for (const Conv2dStep& step : conv2d_steps()) {
    if (!wanted(options, step)) continue;
    problem.run(step);
    const double error = problem.error();
    expect(error <= step.tolerance, std::string(step.name) + ", " + shape.name);
    const auto launches = [&] { problem.launch(step); };
    rows.push_back({step.name,
                    count({std::string(step.name) + ", " + shape.name, step.fast, units, bytes}, launches),
                    units});
    print_row(rows.back(), error, step.idea);
    if (!options.once) print_times(time(launches), 2 * units, bytes);
  }
  return rows;
}

std::vector<Row> table_softmax(const Options& options, const SoftmaxParams& params) {
  const std::string shape = std::to_string(params.m) + " x " + std::to_string(params.d);
  print_header(("softmax, " + shape).c_str(), "value");
  SoftmaxProblem problem(params);
  const double units = static_cast<double>(params.m) * params.d;
  std::vector<Row> rows;
  for (const SoftmaxStep& step : softmax_steps()) {
    if (!wanted(options, step.name)) continue;
    problem.run(step);
    const double error = problem.error();
    expect(error <= step.tolerance, std::string(step.name) + ", " + shape);
    const auto launches = [&] { problem.launch(step); };
    rows.push_back({step.name,
                    count({std::string(step.name) + ", " + shape, step.fast, 0, 8 * units}, launches),
                    units});
    print_row(rows.back(), error, step.idea);
    if (!options.once) print_times(time(launches), 0, 8 * units);
  }
  return rows;
}

/// Each step is better than the one before in what it is about, by the factors that its file promises.
void check_order(const std::vector<Row>& conv, const std::vector<Row>& softmax) {
  if (conv.size() != conv2d_steps().size() || softmax.size() != softmax_steps().size()) return;
  if (!conv[0].counts.known) return;
  const auto waste = [&](int i) { return ratio(conv[i].counts.sectors, conv[i].counts.fewest_sectors); };
  const auto conflicts = [&](int i) {
    return ratio(conv[i].counts.wavefronts, conv[i].counts.fewest_wavefronts);
  };
  const auto c = [&](int i) -> const Counts& { return conv[i].counts; };
  const auto s = [&](int i) -> const Counts& { return softmax[i].counts; };
  expect(waste(0) > 3 && waste(1) < 1.2, "conv2d_2 uses the sectors that it moves");
  expect(c(2).sectors * 4 < c(1).sectors, "conv2d_3 moves a quarter of the sectors or fewer");
  expect(c(3).sectors * 2 < c(2).sectors, "conv2d_4 moves half of the sectors or fewer");
  expect(c(3).requests * 2 < c(2).requests, "conv2d_4 asks memory half as often or less");
  expect(conflicts(4) < 1.05 && conflicts(4) < conflicts(3), "conv2d_5 has no bank conflicts");
  expect(c(4).requests * 2 < c(3).requests, "conv2d_5 asks memory half as often or less");
  expect(c(5).wavefronts * 2 < c(4).wavefronts, "conv2d_6 needs half of the wavefronts or fewer");
  expect(conflicts(5) < 1.05, "conv2d_6 has no bank conflicts");
  expect(c(6).wavefronts * 10 < c(5).wavefronts * 9, "conv2d_7 needs nine tenths of the wavefronts or fewer");
  expect(conflicts(6) < 1.05, "conv2d_7 has no bank conflicts");
  expect(c(7).barriers * 8 < c(6).barriers, "conv2d_8 waits at an eighth of the barriers or fewer");
  expect(c(7).requests * 8 < c(6).requests, "conv2d_8's threads ask memory an eighth as often or less");
  expect(s(1).sectors * 10 < s(0).sectors * 8, "softmax_2 moves three quarters of the sectors");
  expect(s(2).requests * 2 < s(1).requests, "softmax_3 asks memory half as often or less");
  expect(s(2).barriers * 2 < s(1).barriers, "softmax_3 waits at half of the barriers or fewer");
}

void print_speed(const Options& options, const test::Conv2dCase& shape) {
  Conv2dProblem problem(shape, true);
  std::printf("\nmultiply-adds per second, %s\n", shape.name.c_str());
  for (const Conv2dStep& step : conv2d_steps()) {
    if (!wanted(options, step)) continue;
    problem.run(step);
    const auto begin = std::chrono::steady_clock::now();
    problem.run(step);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%-24s %8.1f million\n", step.name,
                static_cast<double>(problem.products()) / seconds.count() * 1e-6);
  }
}

// ------------------------------------------------------------ the program

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == argc) throw std::runtime_error(argument + " needs a value");
      return argv[++i];
    };
    if (argument == "--step") {
      options.step = value();
    } else if (argument == "--counts") {
      options.counts_file = value();
    } else if (argument == "--shuffle") {
      options.device.shuffle = std::stoull(value());
    } else if (argument == "--list") {
      options.list = true;
    } else if (argument == "--check") {
      options.device.check = true;
    } else if (argument == "--hopper") {
      options.device.hopper = true;
    } else if (argument == "--once") {
      options.once = true;
    } else if (argument == "--speed") {
      options.speed = true;
    } else {
      throw std::runtime_error("unknown option " + argument);
    }
  }
  bool known = options.step.empty();
  for (const Conv2dStep& step : conv2d_steps()) known = known || options.step == step.name;
  for (const SoftmaxStep& step : softmax_steps()) known = known || options.step == step.name;
  if (!known) throw std::runtime_error("no step " + options.step + "; --list names them");
  return options;
}

int run(const Options& options) {
  if (options.list) {
    for (const Conv2dStep& step : conv2d_steps()) std::printf("%-24s %s\n", step.name, step.idea);
    for (const SoftmaxStep& step : softmax_steps()) std::printf("%-24s %s\n", step.name, step.idea);
    return 0;
  }
  open_device(options.device);
  std::printf("device: %s\n", device_name().c_str());
  for (const Conv2dStep& step : conv2d_steps()) {
    if (!step.hopper || !wanted(options, step.name) || runs_hopper(options.device)) continue;
    std::printf("SKIP %s: needs compute capability 9.0, and --hopper, for no GPU has run it yet\n",
                step.name);
  }
  const test::Conv2dCase vgg{"3x3, 64 to 64 channels, as in VGG", {64, 64, 3, 3, 1, 1, 1, 1}, 16, 16};
  const test::Conv2dCase resnet{"1x1, 256 to 64 channels, as in ResNet", {256, 64, 1, 1, 1, 1, 0, 0}, 16, 16};
  if (options.speed) {
    print_speed(options, vgg);
    return 0;
  }
  if (!options.once) {
    verify_conv2d(options);
    verify_softmax(options);
  }
  const std::vector<Row> conv = table_conv2d(options, vgg);
  table_conv2d(options, resnet);
  check_order(conv, table_softmax(options, {1024, 64, 1.}));
  const int64_t found = findings();
  expect(found == 0, std::to_string(found) + " findings of the checks");
  if (!options.counts_file.empty()) write_counts(options.counts_file);
  std::printf("\n%s\n", failures == 0 ? "all steps are right" : "NOT all steps are right");
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace swag::ladder

int main(int argc, char** argv) {
  try {
    return swag::ladder::run(swag::ladder::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ladder: %s\n", error.what());
    return 1;
  }
}
