// What is made of findings: how they are merged, limited, forgotten and written.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "tests/emulator/check_planted.h"

using emulator::Finding;
using emulator::FindingKind;
using namespace swag::planted;

namespace {

std::string read_file(const std::string& name) {
  std::ifstream in(SWAG_SOURCE_DIR "/" + name);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What a child of this process writes to stderr while it runs `work`, and its status.
template <typename F>
std::string output_of_child(F&& work, int* status) {
  int output[2];
  REQUIRE(pipe(output) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(output[1], STDERR_FILENO);
    close(output[0]);
    work();
    _exit(0);
  }
  close(output[1]);
  std::string text;
  char piece[512];
  for (ssize_t bytes; (bytes = read(output[0], piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<size_t>(bytes));
  close(output[0]);
  REQUIRE(waitpid(child, status, 0) == child);
  return text;
}

}  // namespace

TEST_CASE("what is found again on the same lines is counted, not repeated") {
  const Checking checking;
  const std::vector<Finding> once = find_planted(unwritten_device_memory());
  REQUIRE(once.size() == 1);
  CHECK(once[0].times == 64);  // by every thread
  find_planted(missing_barrier());
  unwritten_device_memory().run(false);
  unwritten_device_memory().run(false);
  const std::vector<Finding> twice = emulator::take_findings();
  REQUIRE(twice.size() == 1);
  CHECK(twice[0].times == 2 * 64);
}

TEST_CASE("findings come in the order of first sight, and taking them forgets them") {
  const Checking checking;
  missing_barrier().run(false);
  unwritten_shared_memory().run(false);
  missing_barrier().run(false);
  std::vector<Finding> findings = emulator::take_findings();
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].kind == FindingKind::kRace);
  CHECK(findings[0].times > 1);
  CHECK(findings[1].kind == FindingKind::kUninitialised);
  CHECK(emulator::take_findings().empty());
  missing_barrier().run(false);
  CHECK(emulator::take_findings().size() == 1);
}

TEST_CASE("no more is kept than was asked for") {
  const Checking checking(1, 0, "sm_90", 2);
  for (int round = 0; round < 2; ++round) {
    missing_barrier().run(false);
    unwritten_shared_memory().run(false);
    unwritten_device_memory().run(false);
    warp_reduction().run(false);
  }
  const std::vector<Finding> findings = emulator::take_findings();
  REQUIRE(findings.size() == 2);
  CHECK(contains(findings[0].kernel, missing_barrier().kernel));
  CHECK(contains(findings[1].kernel, unwritten_shared_memory().kernel));
  CHECK(findings[1].times == 2);
}

TEST_CASE("nothing is found while nothing is checked") {
  emulator::take_findings();
  missing_barrier().run(false);
  unwritten_device_memory().run(false);
  CHECK(emulator::take_findings().empty());
  CHECK(missing_barrier().run(true) == missing_barrier().expected);
}

TEST_CASE("a report is written as docs/emulator.md shows it") {
  const Checking checking;
  run_shift();
  const std::vector<Finding> findings = emulator::take_findings();
  REQUIRE(findings.size() == 1);
  std::string text = findings[0].text;
  const std::string folder = "tests/emulator/";
  for (size_t at = text.find(folder); at != std::string::npos; at = text.find(folder))
    text.erase(at, folder.size());
  const std::string page = read_file("docs/emulator.md");
  CHECK_MESSAGE(contains(page, "```\n" + text + "```\n"), text);

  // The page shows the kernel whole; the test's has lost its barrier.
  std::string kernel = read_file("tests/emulator/shift.cu");
  kernel.erase(kernel.find("\n// The kernel is"));
  const size_t lost = kernel.find("\n\n  if") + 1;
  kernel.insert(lost, "  __syncthreads();");
  CHECK_MESSAGE(contains(page, kernel), kernel);
}

TEST_CASE("host code that follows a device pointer is told its line before it dies") {
  const Checking checking;
  void* y = nullptr;
  REQUIRE(cudaMalloc(&y, 100) == cudaSuccess);
  int status = 0;
  const std::string text = output_of_child(
      [&] {
        emulator::Options options = emulator::options();
        options.report = true;
        emulator::configure(options);  // its handler, not the test framework's
        _exit(read_on_host(static_cast<const float*>(y)) == 0);
      },
      &status);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
  const std::string line = "planted_launches.cu:" + std::to_string(read_on_host_line());
  CHECK_MESSAGE(contains(text, emulator::name_of(FindingKind::kDeviceMemory)), text);
  CHECK_MESSAGE(contains(text, line), text);
  CHECK_MESSAGE(contains(text, "+ 12 bytes (element 3 of 4 bytes), 100 bytes allocated at"), text);
  CHECK(cudaFree(y) == cudaSuccess);
}

TEST_CASE("an architecture accepts what another refuses") {
  {
    const Checking checking(1, 0, "sm_90");
    CHECK(shared_on_request(100 << 10) == 1);
    CHECK(shared_on_request(227 << 10) == 1);
    CHECK_THROWS_AS(shared_on_request((227 << 10) + 4), swag::CudaError);
  }
  const Checking checking(1, 0, "sm_75");
  CHECK(shared_on_request(64 << 10) == 1);
  CHECK_THROWS_AS(shared_on_request(100 << 10), swag::CudaError);
}
