// What the commands of the program share: their list, their parsing, their tidy help.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "src/cli/settings.h"

namespace swag::cli {

using Arguments = std::vector<std::string>;

// One function per command, with the arguments that follow its name. Each returns the exit code or throws
// Error.
int run_command(const Arguments& arguments);
int model_command(const Arguments& arguments);
int devices_command(const Arguments& arguments);
int bench_command(const Arguments& arguments);
int dump_command(const Arguments& arguments);

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments& arguments);
};
const std::vector<Command>& commands();

/// What the help of a run ends with: the other commands and the exit codes.
std::string program_footer();

constexpr char kGeneralGroup[] = "General";

/// Gives an app the program's look: `usage` is the line that help starts with.
void set_up(CLI::App& app, const std::string& usage, const std::string& description);

/// False when only help or the version was asked for, and shown. Throws Error(kUsage).
bool parse(CLI::App& app, const Arguments& arguments);

/// Some options of the table on an app, and what the user gave for them.
class OptionSet {
 public:
  /// `names` with their dashes; empty: the whole table.
  explicit OptionSet(CLI::App& app, const std::vector<std::string>& names = {});
  OptionSet(const OptionSet&) = delete;  // the app points into it
  OptionSet& operator=(const OptionSet&) = delete;

  /// After parsing: applies what was given, in the table's order.
  void apply_to(Settings& settings) const;

 private:
  struct Entry {
    const Option* option;
    std::string text;
    bool flag;
    CLI::Option* parsed;
  };
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace swag::cli
