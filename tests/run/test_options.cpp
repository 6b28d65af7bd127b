#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "src/run/options.h"
#include "src/support/error.h"

using namespace swag;

namespace {

/// What the error says, or "" when there is none.
template <typename Body>
std::string complaint(Body body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(error.status() == Status::kUsage);
    return error.what();
  }
  return "";
}

std::string complaint_of(const StylizeOptions& options) {
  return complaint([&] { options.validate(); });
}

bool mentions(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("numbers are read whole, finite and within their range, or refused with what is allowed") {
  const Range weight{0, 1e30};
  CHECK(parse_number("0", weight) == 0);
  CHECK(parse_number("1e17", weight) == 1e17);
  CHECK(parse_number("0.001", weight) == 0.001);
  for (const char* text :
       {"", " 1", "1 ", "1x", "+1", "nan", "inf", "-inf", "1e999", "-1", "0x10", "1,5", "--1"}) {
    CAPTURE(text);
    CHECK(mentions(complaint([&] { parse_number(text, weight); }), "is not a number from 0 to 1e+30"));
  }
  CHECK(parse_integer("7", {1, 10}) == 7);
  for (const char* text : {"", "0", "11", "7.0", "7e0", "99999999999999", "seven"}) {
    CAPTURE(text);
    CHECK(mentions(complaint([&] { parse_integer(text, {1, 10}); }), "is not a whole number from 1 to 10"));
  }
  CHECK(parse_seed("18446744073709551615") == std::numeric_limits<uint64_t>::max());
  CHECK(mentions(complaint([] { parse_seed("18446744073709551616"); }), "is not a whole number"));
  CHECK(mentions(complaint([] { parse_seed("-1"); }), "is not a whole number"));
}

TEST_CASE(
    "auto is TF32 but for a softmax at a given temperature, and single where there are no tensor cores") {
  StylizeOptions options;
  CHECK(options.precision == Precision::kAuto);
  const auto wanted = [&](Smoothing smoothing, double temperature) {
    options.objective.smoothing = smoothing;
    options.objective.temperature = temperature;
    return options.wanted_precision();
  };
  CHECK(wanted(Smoothing::kNone, 1) == Precision::kAuto);
  CHECK(wanted(Smoothing::kSoftmax, 1) == Precision::kSingle);
  CHECK(wanted(Smoothing::kSoftmax, 0) == Precision::kAuto);
  options.precision = Precision::kTf32;
  CHECK(wanted(Smoothing::kSoftmax, 1) == Precision::kTf32);
  const auto cpu = make_cpu_backend(1);
  CHECK(precision_on(*cpu, Precision::kAuto) == Precision::kSingle);
  CHECK(precision_on(*cpu, Precision::kTf32) == Precision::kSingle);
  CHECK(precision_on(*cpu, Precision::kHalf) == Precision::kSingle);
  CHECK(precision_on(*cpu, Precision::kDouble) == Precision::kDouble);
  CHECK(precision_note(*cpu, Precision::kAuto).empty());
  CHECK(precision_note(*cpu, Precision::kTf32).find("--precision tf32") == 0);
  CHECK(precision_note(*cpu, Precision::kHalf).find("--precision half") == 0);
}

TEST_CASE("a range knows whether its ends belong to it") {
  const Range open{0, 1, true, true}, half_open{0, 16, true};
  CHECK_FALSE(open.contains(0));
  CHECK_FALSE(open.contains(1));
  CHECK(open.contains(0.5));
  CHECK_FALSE(open.contains(std::nan("")));
  CHECK(open.text() == "above 0 and below 1");
  CHECK(half_open.contains(16));
  CHECK(half_open.text() == "above 0 and up to 16");
}

TEST_CASE("lists have something between their commas") {
  CHECK(parse_list("").empty());
  CHECK(parse_list("a,b") == std::vector<std::string>{"a", "b"});
  CHECK(parse_numbers("1,0.5", {0, 1}) == std::vector<double>{1, 0.5});
  for (const char* text : {",", "a,", ",a", "a,,b"}) {
    CAPTURE(text);
    CHECK(mentions(complaint([&] { parse_list(text); }), text));
  }
  CHECK(mentions(complaint([] { parse_numbers("1,2", {0, 1}); }), "'2'"));
  CHECK(joined({"a", "b"}) == "a, b");
  CHECK(number_text(1e17) == "1e+17");
  CHECK(number_text(0.1) == "0.1");
}

TEST_CASE("names and values are each other's inverse, and unknown names list the known ones") {
  for (Smoothing value : {Smoothing::kNone, Smoothing::kSoftmax, Smoothing::kChannel, Smoothing::kScale}) {
    CHECK(parse_smoothing(name_of(value)) == value);
  }
  for (LossMode value : {LossMode::kPaper, LossMode::kAuthors, LossMode::kBalanced, LossMode::kMse}) {
    CHECK(parse_loss(name_of(value)) == value);
  }
  for (TvStencil value : {TvStencil::kFivePoint, TvStencil::kNinePoint})
    CHECK(parse_tv_stencil(name_of(value)) == value);
  for (Resample value : {Resample::kLanczos, Resample::kBicubic})
    CHECK(parse_resample(name_of(value)) == value);
  for (Padding value : {Padding::kZeros, Padding::kReplicate}) CHECK(parse_padding(name_of(value)) == value);
  for (Init value : {Init::kContent, Init::kRandom, Init::kImage}) CHECK(parse_init(name_of(value)) == value);
  for (OptimizerKind value : {OptimizerKind::kLbfgs, OptimizerKind::kLbfgsPlain, OptimizerKind::kAdam}) {
    CHECK(parse_optimizer(name_of(value)) == value);
  }
  CHECK(complaint([] { parse_smoothing("blur"); }) == "'blur' is not one of none, softmax, channel, scale");
  CHECK(mentions(complaint([] { parse_optimizer("sgd"); }), "lbfgs, lbfgs-plain, adam"));
  for (Conv2dAlgorithm value : {Conv2dAlgorithm::kAuto, Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kWinograd})
    CHECK(parse_conv(name_of(value)) == value);
  CHECK(mentions(complaint([] { parse_conv("plain"); }), "auto, direct, winograd"));
}

TEST_CASE("every preset is valid and has a name of its own") {
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    CHECK(complaint_of(preset.options) == "");
    CHECK(&find_preset(preset.name) == &preset);
    CHECK_FALSE(preset.summary.empty());
  }
  CHECK(complaint([] { find_preset("monet"); }) ==
        "'monet' is not one of default, trained, random, authors, gatys, crowson");
}

TEST_CASE("the preset authors has the constants of the released code") {
  const Preset& preset = find_preset("authors");
  const StylizeOptions& options = preset.options;
  CHECK(preset.network == "resnet50");
  CHECK(preset.average_pooling == false);
  CHECK((options.size.w == 512 && options.size.h == 512));
  CHECK(options.init == Init::kContent);
  CHECK(options.optimizer == OptimizerKind::kLbfgsPlain);
  CHECK((options.learning_rate == 1 && options.history == 100 && options.iterations == 1000 &&
         options.scales == 1));
  CHECK(options.objective.loss == LossMode::kAuthors);
  CHECK((options.objective.content_weight == 1 && options.objective.style_weight == 1e17));
  CHECK(options.objective.tv_weight == 0);
  CHECK(joined(options.objective.style_layers) == "conv1, layer1, layer2, layer3, layer4");
  CHECK(joined(options.objective.content_layers) == "layer3");
  CHECK(options.objective.smoothing == Smoothing::kScale);
  CHECK(joined(options.objective.smoothing_layers) == "layer3, layer4");
  CHECK(options.objective.temperature == 1000);
}

TEST_CASE("the preset crowson has the constants of style-transfer-pytorch") {
  const StylizeOptions& options = find_preset("crowson").options;
  const ObjectiveOptions& objective = options.objective;
  CHECK((objective.loss == LossMode::kMse && objective.style_loss == StyleLossKind::kWasserstein));
  CHECK((objective.content_weight == 0.015 && objective.style_weight == 1 && objective.tv_weight == 2));
  CHECK(objective.tv_stencil == TvStencil::kNinePoint);
  CHECK(objective.style_layer_weights == std::vector<double>{256, 64, 16, 4, 1});
  CHECK((options.optimizer == OptimizerKind::kAdam && options.learning_rate == 0.02 && options.clamp));
  CHECK((options.average == 0.99 && options.iterations == 500 && options.initial_iterations == 1000));
  CHECK(options.padding == Padding::kReplicate);
  CHECK(find_preset("crowson").average_pooling == false);
}

TEST_CASE("validate names the option, the value and what is allowed") {
  const double nan = std::nan(""), infinity = INFINITY;
  const auto with = [](auto change) {
    StylizeOptions options;
    change(options);
    return complaint_of(options);
  };
  CHECK(with([](StylizeOptions&) {}) == "");
  CHECK(with([](StylizeOptions& o) { o.objective.style_weight = -1; }) ==
        "--style-weight: '-1' is not a number from 0 to 1e+30");
  CHECK(mentions(with([=](StylizeOptions& o) { o.objective.content_weight = nan; }), "--content-weight"));
  CHECK(mentions(with([=](StylizeOptions& o) { o.objective.tv_weight = infinity; }), "--tv-weight"));
  CHECK(mentions(with([](StylizeOptions& o) { o.objective.temperature = -2; }), "--temperature"));
  CHECK(mentions(with([](StylizeOptions& o) { o.objective.entropy = 1; }), "--entropy"));
  CHECK(mentions(with([](StylizeOptions& o) { o.style_scale = 0; }), "--style-scale"));
  CHECK(mentions(with([](StylizeOptions& o) { o.learning_rate = 0; }), "--learning-rate"));
  CHECK(mentions(with([](StylizeOptions& o) { o.iterations = -1; }), "--iterations"));
  CHECK(mentions(with([](StylizeOptions& o) { o.history = 0; }), "--history"));
  CHECK(mentions(with([](StylizeOptions& o) { o.scales = 21; }), "--scales"));
  CHECK(mentions(with([](StylizeOptions& o) { o.average = 1; }), "--average"));
  CHECK(mentions(with([](StylizeOptions& o) { o.min_scale = 0; }), "--min-scale"));
  CHECK(mentions(with([](StylizeOptions& o) { o.initial_iterations = -1; }), "--initial-iterations"));
  CHECK(mentions(with([](StylizeOptions& o) { o.clamp = true; }), "--clamp"));  // of L-BFGS
  CHECK(mentions(with([](StylizeOptions& o) { o.style_blend = {0, 0}; }), "--style-blend"));
  CHECK(mentions(with([](StylizeOptions& o) {
                   o.objective.style_layers = {"a", "b"};
                   o.objective.style_layer_weights = {1};
                 }),
                 "1 numbers for 2 layers"));
  CHECK(mentions(with([](StylizeOptions& o) {
                   o.objective.content_weight = o.objective.style_weight = o.objective.tv_weight = 0;
                 }),
                 "nothing is left to optimise"));
}

TEST_CASE("auto temperature is for smoothings that have an entropy") {
  StylizeOptions options;
  options.objective.temperature = 0;
  for (Smoothing smoothing : {Smoothing::kNone, Smoothing::kScale}) {
    options.objective.smoothing = smoothing;
    CHECK(mentions(complaint_of(options), "--temperature: 'auto'"));
  }
  for (Smoothing smoothing : {Smoothing::kSoftmax, Smoothing::kChannel}) {
    options.objective.smoothing = smoothing;
    CHECK(complaint_of(options) == "");
  }
}

TEST_CASE("only losses that say the same at every size go over several scales") {
  StylizeOptions options;
  options.scales = 2;
  for (LossMode loss : {LossMode::kPaper, LossMode::kAuthors}) {
    options.objective.loss = loss;
    options.resize = true;
    CHECK(mentions(complaint_of(options), "--scales"));
    options.resize = false;  // one scale, whatever `scales` says
    CHECK(complaint_of(options) == "");
  }
  options.resize = true;
  for (LossMode loss : {LossMode::kBalanced, LossMode::kMse}) {
    options.objective.loss = loss;
    CHECK(complaint_of(options) == "");
  }
}
