// Runs planted bugs and judges what was found, for the tests of the checks.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/cuda/check.cuh"
#include "tests/emulator/emulator.h"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {

/// Checks with these options; the plain ones come back with its end, and nothing is left behind.
class Checking {
 public:
  explicit Checking(unsigned workers = 1, uint64_t shuffle = 0, const std::string& architecture = "sm_90",
                    unsigned max_findings = 100) {
    emulator::Options options;
    options.check = true;
    options.report = false;
    options.workers = workers;
    options.shuffle = shuffle;
    options.architecture = architecture;
    options.max_findings = max_findings;
    emulator::configure(options);
    emulator::take_findings();
  }
  ~Checking() {
    cudaDeviceReset();
    emulator::configure(emulator::Options());
    emulator::take_findings();
  }
  Checking(const Checking&) = delete;
  Checking& operator=(const Checking&) = delete;
};

/// After these no GPU goes on.
inline bool is_fatal(emulator::FindingKind kind) {
  using emulator::FindingKind;
  return kind != FindingKind::kRace && kind != FindingKind::kUninitialised && kind != FindingKind::kBadLaunch;
}

/// Runs it and returns what was found.
inline std::vector<emulator::Finding> find_planted(const PlantedBug& bug) {
  cudaError_t error = cudaSuccess;
  try {
    bug.run(false);
  } catch (const CudaError& thrown) {
    error = thrown.code();
  }
  if (bug.kind != emulator::FindingKind::kBadLaunch) {
    CHECK(error == (is_fatal(bug.kind) ? cudaErrorIllegalAddress : cudaSuccess));
  } else {
    CHECK(error != cudaSuccess);
  }
  return emulator::take_findings();
}

inline bool is_at(const emulator::Place& place, const Party& party) {
  return place.block[0] == party.block && place.thread[0] == party.thread && place.line == party.line;
}

/// As one host thread finds it that keeps to the usual order: every word of it.
inline void check_exactly(const PlantedBug& bug, const emulator::Finding& finding) {
  CHECK(is_at(finding.place, bug.parties[0]));
  if (finding.has_other) CHECK(is_at(finding.other, bug.parties[1]));
  CHECK(finding.value.find(bug.value) != std::string::npos);
  for (const Party& party : bug.parties) {
    if (party.line) CHECK(finding.text.find(".cu:" + std::to_string(party.line)) != std::string::npos);
  }
  CHECK(finding.text.find(emulator::name_of(bug.kind)) != std::string::npos);
  CHECK(finding.text.find(finding.value) != std::string::npos);
}

/// The same bug whatever the order: its kind, kernel and lines.
inline void check_alike(const PlantedBug& bug, const emulator::Finding& finding) {
  CHECK(finding.kind == bug.kind);
  CHECK(finding.kernel.find(bug.kernel) != std::string::npos);
  CHECK(finding.has_other == (bug.parties.size() == 2));
  CHECK(finding.place.file.find("planted_") != std::string::npos);
  std::vector<int> lines = {finding.place.line}, expected;
  if (finding.has_other) lines.push_back(finding.other.line);
  for (const Party& party : bug.parties) expected.push_back(party.line);
  CHECK(std::is_permutation(lines.begin(), lines.end(), expected.begin(), expected.end()));
}

/// Exactly this is found, and nothing in the correct code that looks alike, which gives the right numbers; on
/// any number of host threads and in any order.
inline void check_planted(const PlantedBug& bug) {
  for (const unsigned workers : {1u, 2u, 5u}) {
    for (const uint64_t shuffle : {0u, 1u, 99u}) {
      CAPTURE(bug.kernel);
      CAPTURE(workers);
      CAPTURE(shuffle);
      const Checking checking(workers, shuffle, bug.architecture);
      const std::vector<emulator::Finding> findings = find_planted(bug);
      std::string found = "\n";
      for (const emulator::Finding& finding : findings) found += finding.text;
      INFO(found);
      CHECK(findings.size() == 1);
      if (findings.size() == 1) check_alike(bug, findings[0]);
      if (findings.size() == 1 && workers == 1 && shuffle == 0) check_exactly(bug, findings[0]);
      cudaDeviceReset();
      emulator::take_findings();
      CHECK(bug.run(true) == bug.expected);
      for (const emulator::Finding& finding : emulator::take_findings()) FAIL_CHECK(finding.text);
    }
  }
}

}  // namespace swag::planted
