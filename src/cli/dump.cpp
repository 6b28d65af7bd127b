// `swag dump`: what a run computes at its first evaluation, as a safetensors file, to be compared with a
// reference.
#include "src/run/dump.h"

#include <cstdio>
#include <optional>

#include "src/api/options.h"
#include "src/cli/command.h"
#include "src/cli/make_model.h"
#include "src/cli/run_files.h"
#include "src/cli/weights_search.h"
#include "src/codecs/decode.h"
#include "src/run/plan.h"
#include "src/support/error.h"
#include "src/weights/safetensors.h"

namespace swag::cli {
namespace {

struct DumpRequest {
  Settings settings;
  std::string content, image, out;
  std::vector<std::string> styles;
  bool double_signs = false;
};

std::optional<DumpRequest> parse_dump(const Arguments& arguments) {
  Parser parser(
      "dump", "swag dump --network NAME --weights FILE --content FILE --style FILE --out FILE [options]",
      "Losses, pixel gradient and statistics of one evaluation, with every image at its decoded size.");
  DumpRequest request;
  parser.add_option("--content", request.content, "Content image").required().type_name("FILE");
  parser.add_option("--style", request.styles, "Style images").required().type_name("FILE ...");
  parser.add_option("--image", request.image, "The image to evaluate; else the content").type_name("FILE");
  parser.add_option("--out", request.out, "Safetensors file to write; replaced when it is there")
      .required()
      .type_name("FILE");
  parser.add_flag("--double-signs", request.double_signs,
                  "Take ReLU signs and pool positions from a run in double precision");
  const OptionSet options(parser, {"--no-resize",
                                   "--network",
                                   "--pooling",
                                   "--weights",
                                   "--seed",
                                   "--loss",
                                   "--style-loss",
                                   "--content-weight",
                                   "--style-weight",
                                   "--tv-weight",
                                   "--tv-stencil",
                                   "--padding",
                                   "--style-layers",
                                   "--style-layer-weights",
                                   "--content-layers",
                                   "--content-layer-weights",
                                   "--style-blend",
                                   "--smoothing",
                                   "--smoothing-layers",
                                   "--temperature",
                                   "--entropy",
                                   "--device",
                                   "--threads",
                                   "--precision",
                                   "--conv"});
  if (!parser.parse(arguments)) return std::nullopt;
  request.settings.size = "as-is";
  request.settings.api.padding = SWAG_PADDING_ZEROS;  // as the reference has it
  request.settings.api.precision = SWAG_SINGLE;
  options.apply_to(request.settings);
  expand(request.settings);
  return request;
}

void check_files(const DumpRequest& request) {
  RunFiles files(true);
  files.reads("the content picture", request.content);
  for (const std::string& path : request.styles) files.reads("a style picture", path);
  files.reads("the picture of --image", request.image);
  files.reads_weights(request.settings);
  files.writes("--out", request.out);
  files.clear_folders();
}

std::map<std::string, std::string> metadata(const DumpRequest& request) {
  const Settings& settings = request.settings;
  const auto text = [](double value) { return number_text(value); };
  return {
      {"network", settings.network},
      {"weights", bare_name(settings.weights)},
      {"smoothing", name_of(static_cast<Smoothing>(settings.api.smoothing))},
      {"temperature", settings.api.temperature == 0 ? "auto" : text(settings.api.temperature)},
      {"entropy", text(settings.api.entropy)},
      {"loss", name_of(static_cast<LossMode>(settings.api.loss))},
      {"style_loss", name_of(static_cast<StyleLossKind>(settings.api.style_loss))},
      {"content_weight", text(settings.api.content_weight)},
      {"style_weight", text(settings.api.style_weight)},
      {"style_taps", settings.style_layers},
      {"content_tap", settings.content_layers},
      {"precision", name_of(static_cast<Precision>(settings.api.precision))},
      {"conv", name_of(static_cast<Conv2dAlgorithm>(settings.api.conv))},
      {"device", settings.device},
  };
}

void write_dump(const std::string& path, const Dump& dump,
                const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsOutput<double>> tensors;
  for (const Dump::Entry& entry : dump.entries) {
    tensors.push_back({entry.name, entry.shape, entry.values.data()});
  }
  write_safetensors(path, tensors, metadata);
}

}  // namespace

int dump_command(const Arguments& arguments) {
  const std::optional<DumpRequest> request = parse_dump(arguments);
  if (!request) return 0;
  check_files(*request);
  std::vector<std::string> notes;
  const auto load = [&](const std::string& path) { return load_image(path, original_size(), &notes); };
  const Image content = load(request->content);
  const Image image = request->image.empty() ? content : load(request->image);
  std::vector<Image> styles;
  for (const std::string& path : request->styles) styles.push_back(load(path));

  const swag_options api = request->settings.options();
  const StylizeOptions options = stylize_options(api);
  Model model = make_model(request->settings);
  model.graph = graph_for(model.graph, options);
  const auto backend = make_backend(request->settings.device, api.threads);
  std::vector<double> blend = options.style_blend;
  if (blend.empty()) blend.assign(styles.size(), 1.0);
  if (blend.size() != styles.size()) {
    throw Error(Status::kUsage, "--style-blend: give one number for each --style");
  }
  double sum = 0;
  for (double share : blend) sum += share;
  for (double& share : blend) share /= sum;

  const auto evaluate = [&](Backend& place, DType dtype, const std::vector<std::vector<uint8_t>>* signs) {
    return dump_objective(place, model, dtype, options.objective, content, styles, blend, image, signs,
                          options.conv);
  };
  if (const std::string note = precision_note(*backend, options.wanted_precision()); !note.empty())
    notes.push_back(note);
  const DType dtype = dtype_of(precision_on(*backend, options.wanted_precision()));
  std::optional<Dump> reference;
  if (request->double_signs) {  // devices may not know double precision, so their reference is the CPU's
    reference = evaluate(*make_backend("cpu", api.threads), DType::kFloat64, nullptr);
  }
  write_dump(request->out, evaluate(*backend, dtype, reference ? &reference->signs : nullptr),
             metadata(*request));
  for (const std::string& note : notes) std::fprintf(stderr, "swag: warning: %s\n", note.c_str());
  return 0;
}

}  // namespace swag::cli
