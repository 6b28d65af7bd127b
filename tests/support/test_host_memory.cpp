#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "src/support/error.h"
#include "src/support/host_memory.h"
#include "tests/address_space_limit.h"

using namespace swag;
namespace fs = std::filesystem;

namespace {

constexpr int64_t kMiB = 1 << 20;

/// Pseudo files as a system would show them, in a folder of the test's own.
class FakeSystem {
 public:
  FakeSystem() : root_(fs::temp_directory_path() / ("swag_host_memory_" + std::to_string(getpid()))) {
    sources_.proc = (root_ / "proc").string();
    sources_.cgroup = (root_ / "cgroup").string();
    write("proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\nMemAvailable:   4194304 kB\n");
    write("proc/self/statm", "25600 1000 500 10 0 12800 0\n");  // 100 MiB mapped, 50 of them data
  }
  ~FakeSystem() { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  HostMemory memory() const { return host_memory(sources_); }
  HostMemorySources& sources() { return sources_; }

 private:
  fs::path root_;
  HostMemorySources sources_;
};

}  // namespace

TEST_CASE("without limits a process may use the machine's memory, and what of it is available") {
  const FakeSystem system;
  CHECK(system.memory().total == 8192 * kMiB);
  CHECK(system.memory().available == 4096 * kMiB);
}

TEST_CASE("the control groups of a process and their parents limit it, version 2") {
  FakeSystem system;
  system.write("proc/self/cgroup", "0::/user.slice/run-7.scope\n");
  system.write("cgroup/user.slice/memory.max", "1073741824\n");
  system.write("cgroup/user.slice/memory.current", "536870912\n");
  system.write("cgroup/user.slice/memory.stat", "anon 1\ninactive_file 104857600\nactive_file 5\n");
  system.write("cgroup/user.slice/run-7.scope/memory.max", "max\n");
  system.write("cgroup/user.slice/run-7.scope/memory.current", "536870912\n");
  CHECK(system.memory().total == 1024 * kMiB);
  CHECK(system.memory().available == (1024 - 512 + 100) * kMiB);  // caches would give way

  SUBCASE("the least of them counts") {
    system.write("cgroup/user.slice/run-7.scope/memory.max", "629145600\n");
    CHECK(system.memory().total == 600 * kMiB);
    CHECK(system.memory().available == 88 * kMiB);
  }
  SUBCASE("a soft limit counts like a hard one") {
    system.write("cgroup/user.slice/run-7.scope/memory.high", "629145600\n");
    CHECK(system.memory().available == 88 * kMiB);
  }
  SUBCASE("more used than allowed leaves nothing") {
    system.write("cgroup/user.slice/run-7.scope/memory.max", "104857600\n");
    CHECK(system.memory().available == 0);
  }
}

TEST_CASE(
    "a container that sees its group as the root, or a path that it cannot see, is limited by the root") {
  FakeSystem system;
  for (const char* group : {"0::/\n", "0::/docker/0123\n", "0::/../elsewhere\n"}) {
    system.write("proc/self/cgroup", group);
    system.write("cgroup/memory.max", "268435456\n");
    CHECK(system.memory().total == 256 * kMiB);
  }
}

TEST_CASE("the control groups of a process and their parents limit it, version 1") {
  FakeSystem system;
  system.write("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a/b\n1:name=systemd:/a\n0::/a\n");
  system.write("cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
  system.write("cgroup/memory/a/memory.usage_in_bytes", "209715200\n");
  system.write("cgroup/memory/a/memory.stat", "cache 9\ntotal_inactive_file 104857600\n");
  system.write("cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");  // none
  CHECK(system.memory().total == 1024 * kMiB);
  CHECK(system.memory().available == 924 * kMiB);
}

TEST_CASE("resource limits leave what they allow less what is mapped") {
  FakeSystem system;
  system.sources().address_space = 300 * kMiB;
  CHECK(system.memory().total == 300 * kMiB);
  CHECK(system.memory().available == 200 * kMiB);
  system.sources().data = 120 * kMiB;
  CHECK(system.memory().available == 70 * kMiB);
  system.sources().address_space = 50 * kMiB;
  CHECK(system.memory().available == 0);
}

TEST_CASE("what cannot be read, or is no number, limits nothing") {
  FakeSystem system;
  for (const char* text : {"", "max\n", "lots\n", "-1\n", "0::/\n", "::\n", ":\n", "0:memory\n"}) {
    system.write("proc/self/cgroup", text);
    system.write("proc/self/statm", text);
    system.write("cgroup/memory.max", text[0] == '0' ? "" : text);
    CHECK(system.memory().available == 4096 * kMiB);
  }
  system.sources().proc = "/nowhere";
  CHECK(system.memory().total > 0);
  CHECK(system.memory().available > 0);
}

TEST_CASE("what is larger than what there is is refused with the need and what is free") {
  const test::AddressSpaceLimit limit(100 << 20);
  require_host_memory(50 << 20, "half of it");
  try {
    require_host_memory(200 << 20, "a picture", "take a smaller one");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMemory);
    const std::string message = error.what();
    CHECK(message.find("a picture needs 200 MiB of memory, ") == 0);
    CHECK(message.find(" MiB are free; take a smaller one") != std::string::npos);
  }
}
