#include "tests/emulator/finding.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "tests/emulator/symbols.h"

namespace emulator {
namespace {

using Sites = std::tuple<FindingKind, const void*, const void*, const void*>;
using Lines = std::tuple<FindingKind, std::string, std::string, int, std::string, int>;

struct Store {
  std::mutex mutex;
  std::vector<Finding> findings;
  std::map<Lines, size_t> by_lines;  // an index of findings; beyond max_findings: SIZE_MAX
  std::map<Sites, Lines> by_sites;
};
Store& store() {
  static Store all;
  return all;
}
thread_local Sites asked{};  // of repeats_finding, until add_finding comes

std::string triple(const unsigned (&v)[3]) {
  return "(" + std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]) + ")";
}

std::string line_of(const Place& place) {
  return place.line ? place.file + ":" + std::to_string(place.line) : "at an unknown line";
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

const char* usual_role(FindingKind kind, bool other) {
  switch (kind) {
    case FindingKind::kDivergentBarrier: return other ? "not here" : "waits";
    case FindingKind::kDivergentCollective: return other ? "not here" : "waits";
    case FindingKind::kDeadlock: return "waits";
    case FindingKind::kLeak: return "allocated";
    case FindingKind::kBadFree: return "freed";
    case FindingKind::kBadLaunch: return "launched";
    default: return "access";
  }
}

bool is_divergent(FindingKind kind) {
  return kind == FindingKind::kDivergentBarrier || kind == FindingKind::kDivergentCollective;
}

bool is_host_kind(FindingKind kind) {
  return kind == FindingKind::kLeak || kind == FindingKind::kBadFree || kind == FindingKind::kBadLaunch ||
         kind == FindingKind::kDeviceMemory;
}

std::string text_of(const Finding& finding, const Parties& parties) {
  const std::string role = parties.first.empty() ? usual_role(finding.kind, false) : parties.first;
  std::string other_role = parties.other.empty() ? usual_role(finding.kind, true) : parties.other;
  const std::string where = line_of(finding.place);
  std::string other = line_of(finding.other);
  if (is_divergent(finding.kind) && !finding.other.line) other_role = "returned", other = "";
  const size_t role_width = std::max(role.size(), finding.has_other ? other_role.size() : 0) + 2;
  const size_t line_width = std::max(where.size(), finding.has_other ? other.size() : 0) + 3;
  const auto party = [&](const std::string& name, const std::string& line, const Place& place) {
    std::string text = "  " + padded(name, role_width);
    if (parties.on_host || is_host_kind(finding.kind)) return text + line + "\n";
    return text + padded(line, line_width) + "block " + triple(place.block) + " thread " +
           triple(place.thread) + "\n";
  };
  std::string text = std::string("emulator: ") + name_of(finding.kind);
  if (!finding.kernel.empty()) text += " in " + finding.kernel;
  text += "\n" + party(role, where, finding.place);
  if (finding.has_other) text += party(other_role, other, finding.other);
  if (!finding.value.empty()) text += "  " + finding.value + "\n";
  return text;
}

/// Which party of a race comes first depends on the order of threads; the race does not.
Lines lines_of(const Finding& finding) {
  const Place *first = &finding.place, *second = &finding.other;
  if (finding.kind == FindingKind::kRace &&
      std::tie(second->file, second->line) < std::tie(first->file, first->line)) {
    std::swap(first, second);
  }
  return Lines(finding.kind, finding.kernel, first->file, first->line, second->file, second->line);
}

void set_block_and_thread(Place& place, const uint3& block, const uint3& thread) {
  place.block[0] = block.x, place.block[1] = block.y, place.block[2] = block.z;
  place.thread[0] = thread.x, place.thread[1] = thread.y, place.thread[2] = thread.z;
}

}  // namespace

const char* name_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::kOutOfBounds: return "out of bounds";
    case FindingKind::kUseAfterFree: return "use after free";
    case FindingKind::kMisaligned: return "misaligned access";
    case FindingKind::kHostMemory: return "host memory touched by device code";
    case FindingKind::kDeviceMemory: return "device memory touched by host code";
    case FindingKind::kUninitialised: return "uninitialised read";
    case FindingKind::kRace: return "race";
    case FindingKind::kDivergentBarrier: return "barrier not reached by all threads";
    case FindingKind::kDivergentCollective: return "warp collective not reached by all its lanes";
    case FindingKind::kDeadlock: return "wait that never ends";
    case FindingKind::kBadOperand: return "operand that the instruction does not take";
    case FindingKind::kBadLaunch: return "launch that no such GPU accepts";
    case FindingKind::kLeak: return "memory never freed";
    case FindingKind::kBadFree: return "free of what is not allocated";
  }
  return "?";
}

Place place_of(const Thread& thread, const void* site) {
  Place place = host_place(site);
  set_block_and_thread(place, thread.block->index, thread.index);
  return place;
}

Place host_place(const void* site) {
  Place place;
  if (!site) return place;
  SourceLine line = source_line(site);
  place.file = std::move(line.file);
  place.line = line.line;
  return place;
}

bool repeats_finding(FindingKind kind, const void* function, const void* site, const void* other_site) {
  const Sites sites(kind, function, site, other_site);
  Store& all = store();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto known = all.by_sites.find(sites);
  if (known == all.by_sites.end()) {
    asked = sites;
    return false;
  }
  const size_t index = all.by_lines[known->second];
  if (index < all.findings.size()) ++all.findings[index].times;
  return true;
}

void add_finding(Finding finding, const Parties& parties) {
  const Lines lines = lines_of(finding);
  const Sites sites = std::exchange(asked, Sites());
  Store& all = store();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (sites != Sites() && std::get<0>(sites) == finding.kind) all.by_sites.emplace(sites, lines);
  const auto added = all.by_lines.emplace(lines, all.findings.size());
  if (!added.second) {
    const size_t index = added.first->second;
    if (index < all.findings.size()) ++all.findings[index].times;
    return;
  }
  if (all.findings.size() >= options().max_findings) {
    added.first->second = SIZE_MAX;
    return;
  }
  finding.text = text_of(finding, parties);
  if (options().report) std::fputs(finding.text.c_str(), stderr);
  all.findings.push_back(std::move(finding));
}

std::vector<Finding> take_findings() {
  Store& all = store();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.by_lines.clear();
  all.by_sites.clear();
  return std::exchange(all.findings, {});
}

}  // namespace emulator
