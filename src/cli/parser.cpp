#include "src/cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <sstream>

#include "include/swag.h"
#include "src/support/error.h"
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

}  // namespace

Argument& Argument::type_name(const std::string& value) {
  option_->type_name(value);
  return *this;
}
Argument& Argument::group(const std::string& name) {
  option_->group(name);
  return *this;
}
Argument& Argument::required() {
  option_->required();
  return *this;
}
Argument& Argument::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}
Argument& Argument::take_last() {
  option_->take_last();
  return *this;
}
bool Argument::given() const { return option_->count() > 0; }

Parser::Parser(const std::string& name, const std::string& usage, const std::string& description)
    : app_(std::make_unique<CLI::App>(description, name)) {
  app_->formatter(std::make_shared<HelpFormatter>(usage));
  app_->set_help_flag("-h,--help", "This text")->group(kGeneralGroup);
  app_->set_version_flag("--version", std::string("swag ") + swag_version(), "The program's version")
      ->group(kGeneralGroup);
}
Parser::~Parser() = default;

Argument Parser::add_option(const std::string& names, std::string& value, const std::string& help) {
  return Argument(app_->add_option(names, value, help));
}
Argument Parser::add_option(const std::string& names, std::vector<std::string>& values,
                            const std::string& help) {
  return Argument(app_->add_option(names, values, help));
}
Argument Parser::add_flag(const std::string& names, bool& value, const std::string& help) {
  return Argument(app_->add_flag(names, value, help));
}

void Parser::footer(const std::string& text) { app_->footer(text); }

bool Parser::parse(const Arguments& arguments) {
  Arguments words(arguments.rbegin(), arguments.rend());  // CLI11 takes them from the back
  for (std::string& word : words) {                       // and a file's name "[a,b]" for two
    if (word.size() > 1 && word.front() == '[' && word.back() == ']') word.insert(0, "./");
  }
  try {
    app_->parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    std::cout << app_->help();
    return false;
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << "\n";
    return false;
  } catch (const CLI::ParseError& error) {
    std::string reason = error.what();
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    throw Error(Status::kUsage, printable(reason) + "; see 'swag " + app_->get_name() + " --help'");
  }
  return true;
}

}  // namespace swag::cli
