#include "src/cli/command.h"

#include <algorithm>
#include <iostream>
#include <sstream>

#include "src/support/error.h"
#include "src/support/parse.h"
#include "src/support/printable.h"

namespace swag::cli {
namespace {

constexpr size_t kNameColumn = 30;
constexpr size_t kHelpColumns = 100;

/// Breaks a text at spaces and indents all lines but the first.
std::string wrapped(const std::string& text, size_t columns, size_t indent) {
  std::istringstream words(text);
  std::string lines, word;
  size_t used = 0;
  while (words >> word) {
    if (used > 0 && used + 1 + word.size() > columns) {
      lines += "\n" + std::string(indent, ' ');
      used = 0;
    }
    lines += (used > 0 ? " " : "") + word;
    used += word.size() + (used > 0 ? 1 : 0);
  }
  return lines;
}

/// CLI11's layout with our usage line, plain value names and wrapped descriptions.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {}

  std::string make_usage(const CLI::App* app, std::string) const override {
    return "Usage: " + usage_ + "\n\n" + wrapped(app->get_description(), kHelpColumns, 0) + "\n\n";
  }
  std::string make_description(const CLI::App*) const override { return ""; }  // they stand in the usage
  std::string make_positionals(const CLI::App*) const override { return ""; }
  std::string make_group(std::string group, bool positional,
                         std::vector<const CLI::Option*> options) const override {
    std::string text = group + "\n";
    for (const CLI::Option* option : options) text += make_option(option, positional);
    return text;
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }
  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string name = "  " + make_option_name(option, positional) + make_option_opts(option) + " ";
    if (option->get_snames().empty()) name.insert(2, "   ");  // long names stand below each other
    const std::string gap = name.size() > kNameColumn ? "\n" + std::string(kNameColumn, ' ')
                                                      : std::string(kNameColumn - name.size(), ' ');
    return name + gap + wrapped(option->get_description(), kHelpColumns - kNameColumn, kNameColumn) + "\n";
  }

 private:
  std::string usage_;
};

/// " [512]", nothing for lists.
std::string default_text(const Option& option) {
  static const Settings kDefaults = [] {
    Settings settings;
    expand(settings);
    return settings;
  }();
  const nlohmann::ordered_json value = option.get ? option.get(kDefaults) : nullptr;
  if (value.is_string()) return " [" + value.get<std::string>() + "]";
  return value.is_number() ? " [" + number_text(value.get<double>()) + "]" : "";
}

}  // namespace

void set_up(CLI::App& app, const std::string& usage, const std::string& description) {
  app.description(description);
  app.formatter(std::make_shared<HelpFormatter>(usage));
  app.set_help_flag("-h,--help", "This text")->group(kGeneralGroup);
  app.set_version_flag("--version", std::string("swag ") + swag_version(), "The program's version")
      ->group(kGeneralGroup);
}

bool parse(CLI::App& app, const Arguments& arguments) {
  try {
    app.parse(Arguments(arguments.rbegin(), arguments.rend()));  // CLI11 takes them from the back
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return false;
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << "\n";
    return false;
  } catch (const CLI::ParseError& error) {
    std::string reason = error.what();
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    throw Error(Status::kUsage, printable(reason) + "; see 'swag " + app.get_name() + " --help'");
  }
  return true;
}

OptionSet::OptionSet(CLI::App& app, const std::vector<std::string>& names) {
  for (const Option& option : option_table()) {
    if (!names.empty() && std::find(names.begin(), names.end(), option.name()) == names.end()) continue;
    entries_.push_back(std::make_unique<Entry>(Entry{&option, "", false, nullptr}));
    Entry& entry = *entries_.back();
    if (option.value.empty()) {
      entry.parsed = app.add_flag(option.flags, entry.flag, option.help);
    } else {
      entry.parsed = app.add_option(option.flags, entry.text, option.help + default_text(option));
      entry.parsed->type_name(option.value)->take_last();  // a script may add to its own options
    }
    entry.parsed->group(option.group);
  }
}

void OptionSet::apply_to(Settings& settings) const {
  for (const auto& entry : entries_) {
    // A flag may be given a value of its own: --overwrite=false.
    const bool given = entry->option->value.empty() ? entry->flag : entry->parsed->count() > 0;
    if (given) apply(*entry->option, settings, entry->text, entry->option->name());
  }
}

}  // namespace swag::cli
