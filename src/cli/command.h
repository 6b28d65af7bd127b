// What the commands of the program share: their list, and the options of the table.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "src/cli/parser.h"
#include "src/cli/settings.h"

namespace swag::cli {

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

/// Some options of the table in a parser, and what the user gave for them.
class OptionSet {
 public:
  /// `names` with their dashes; empty: the whole table.
  explicit OptionSet(Parser& parser, const std::vector<std::string>& names = {});
  OptionSet(const OptionSet&) = delete;  // the parser points into it
  OptionSet& operator=(const OptionSet&) = delete;

  /// After parsing: applies what was given, in the table's order.
  void apply_to(Settings& settings) const;

 private:
  struct Entry {
    const Option* option;
    std::string text;
    bool flag;
    Argument parsed;
  };
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace swag::cli
