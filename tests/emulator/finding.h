// What is wrong with a kernel: findings as they are made, merged when they are alike, and their text.
#pragma once
#include <string>

#include "tests/emulator/emulator.h"
#include "tests/emulator/engine.h"

namespace emulator {

Place place_of(const Thread& thread, const void* site);
/// A place in host code: the block and thread mean nothing.
Place host_place(const void* site);

/// How the parties of a finding are called in its text; empty: as the kind says ("waits here", "has not
/// come").
struct Parties {
  std::string first, other;
  bool on_host = false;
};

/// Completes the text, merges with a finding of the same kind, kernel and lines, and prints a new one. Any
/// host thread.
void add_finding(Finding finding, const Parties& parties = Parties());

/// The quick way for what has been reported before from the same sites: counts it and returns true. Lines are
/// looked up only when it returns false, and the caller must then add the finding.
bool repeats_finding(FindingKind kind, const void* function, const void* site, const void* other_site);

}  // namespace emulator
