// The arguments of a command, their parsing and the help. CLI11 does it, and parser.cpp alone sees its
// header, which costs every file that does ten seconds of compiling.
#pragma once
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace swag::cli {

using Arguments = std::vector<std::string>;

constexpr char kGeneralGroup[] = "General";

/// An option or a positional argument of a Parser, with what else there is to say of it.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}

  Argument& type_name(const std::string& value);  // what stands for the value in the help
  Argument& group(const std::string& name);       // under which the help lists it
  Argument& required();
  Argument& one_of(const std::vector<std::string>& values);
  Argument& take_last();  // when it is given more than once, which is a mistake otherwise
  bool given() const;     // after parsing

 private:
  CLI::Option* option_;
};

class Parser {
 public:
  /// `name` is the command's, "bench network"; `usage` the line that help starts with.
  Parser(const std::string& name, const std::string& usage, const std::string& description);
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser();

  /// `names`: "-s,--size", or "file" for a positional argument. What is given is written to `value`, which
  /// stays as it is otherwise; several are collected in a list.
  Argument add_option(const std::string& names, std::string& value, const std::string& help);
  Argument add_option(const std::string& names, std::vector<std::string>& values, const std::string& help);
  /// A flag may have a value: --json=false.
  Argument add_flag(const std::string& names, bool& value, const std::string& help);

  /// What help ends with.
  void footer(const std::string& text);

  /// False when only help or the version was asked for, and shown. Throws Error(kUsage).
  bool parse(const Arguments& arguments);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace swag::cli
