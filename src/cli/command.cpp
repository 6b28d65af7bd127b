#include "src/cli/command.h"

#include <algorithm>

#include "src/support/error.h"

namespace swag::cli {

OptionSet::OptionSet(Parser& parser, const std::vector<std::string>& names) {
  for (const Option& option : option_table()) {
    if (!names.empty() && std::find(names.begin(), names.end(), option.name()) == names.end()) continue;
    entries_.push_back(std::make_unique<Entry>(Entry{&option, "", false, Argument(nullptr)}));
    Entry& entry = *entries_.back();
    if (option.value.empty()) {
      entry.parsed = parser.add_flag(option.flags, entry.flag, option.help);
    } else {
      entry.parsed = parser.add_option(option.flags, entry.text, option.help + default_text(option));
      entry.parsed.type_name(option.value).take_last();  // a script may add to its own options
    }
    entry.parsed.group(option.group);
  }
}

void OptionSet::apply_to(Settings& settings) const {
  for (const auto& entry : entries_) {
    // A flag may be given a value of its own: --overwrite=false.
    const bool given = entry->option->value.empty() ? entry->flag : entry->parsed.given();
    // Of a shell's variable that is not set, say.
    if (given && entry->text.empty() && entry->option->value.compare(0, 4, "FILE") == 0) {
      throw Error(Status::kUsage, entry->option->name() + ": the name of the file is empty");
    }
    if (given) apply(*entry->option, settings, entry->text, entry->option->name());
  }
}

}  // namespace swag::cli
