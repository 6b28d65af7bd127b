// Against a real curl and a web server on this machine.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>

#include "src/support/file.h"
#include "src/support/trusted_file.h"
#include "src/weights/download.h"
#include "src/weights/model_files.h"
#include "src/weights/safetensors.h"
#include "src/weights/sha256.h"
#include "src/weights/subprocess.h"
#include "tests/weights/weight_files.h"

using namespace swag;
using swag::test::contains;
using swag::test::error_text;
using swag::test::read_text;
using swag::test::TemporaryFolder;
using swag::test::write_text;

namespace fs = std::filesystem;

namespace {

std::string program(const char* name) {
  const char* path = std::getenv("PATH");
  return find_program(name, path ? path : "");
}

/// tests/weights/http_server.py while it lives.
class Server {
 public:
  Server() {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execlp("python3", "python3", SWAG_SOURCE_DIR "/tests/weights/http_server.py", nullptr);
      _exit(127);
    }
    close(ends[1]);
    FILE* lines = fdopen(ends[0], "r");
    if (std::fscanf(lines, "%d", &port_) != 1) port_ = 0;
    std::fclose(lines);
  }
  ~Server() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url(const std::string& kind) const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/" + kind + "/net.pth";
  }

 private:
  pid_t pid_ = -1;
  int port_ = 0;
};

/// A folder and a published file of 10,000 times 'x'.
struct Download {
  Download() {
    options.curl = program("curl");
    options.stall_seconds = 1;
    options.manual = "; by hand: so";
  }
  /// "" when the file is there, right and open, else the error.
  std::string get(const std::string& kind) {
    file.url = server.url(kind);
    std::string digest;
    const std::string error = error_text([&] {
      const Descriptor opened = download(file, path, options, digest);
      CHECK(sha256_of(opened.get(), "") == digest);
    });
    CHECK(error.empty() == (read_text(path) == data));
    return error;
  }

  const std::string data = std::string(10000, 'x');
  Server server;
  TemporaryFolder folder;
  const std::string path = folder.file("net.pth"), part = path + ".part";
  ModelFile file{"net", "net", "net.pth", "", 10000, "", ""};
  DownloadOptions options;
};

bool cannot_run() {
  if (!program("curl").empty() && !program("python3").empty()) return false;
  MESSAGE("SKIP: there is no curl or no python3 to download with");
  return true;
}

}  // namespace

TEST_CASE("a file comes over the network whole and under its name alone") {
  if (cannot_run()) return;
  Download test;
  CHECK(test.get("plain") == "");
  CHECK_FALSE(fs::exists(test.part));
  fs::remove(test.path);
  CHECK(test.get("redirect") == "");
}

TEST_CASE("a download that is broken off is continued, by a server that cannot from the start") {
  if (cannot_run()) return;
  Download test;
  const std::string error = test.get("cut");
  CHECK(contains(error, "4: cannot download net.pth: curl: "));
  CHECK(contains(error, "; by hand: so"));
  CHECK(read_text(test.part) == test.data.substr(0, 4000));
  SUBCASE("the rest") { CHECK(test.get("cut") == ""); }
  SUBCASE("the whole") { CHECK(test.get("whole") == ""); }
  SUBCASE("more than there should be") {
    write_text(test.part, std::string(20000, 'z'));
    CHECK(test.get("plain") == "");
  }
  CHECK_FALSE(fs::exists(test.part));
}

TEST_CASE("curl's own settings have no effect") {
  if (cannot_run()) return;
  Download test;
  const TemporaryFolder home;
  write_text(home.file(".curlrc"), "trace-ascii = " + home.file("trace") + "\n");
  const std::vector<const char*> names = {"HOME", "CURL_HOME", "XDG_CONFIG_HOME"};
  std::vector<std::string> before;
  for (const char* name : names) {
    before.emplace_back(std::getenv(name) ? std::getenv(name) : "");
    setenv(name, home.path().c_str(), 1);
  }
  CHECK(test.get("plain") == "");
  for (size_t i = 0; i < names.size(); ++i) {
    before[i].empty() ? unsetenv(names[i]) : setenv(names[i], before[i].c_str(), 1);
  }
  CHECK_FALSE(fs::exists(home.file("trace")));
}

TEST_CASE("a server that stalls is given up") {
  if (cannot_run()) return;
  Download test;
  CHECK(contains(test.get("slow"), "the same command continues it; by hand: so"));
  CHECK(read_text(test.part) == test.data.substr(0, 10));
}

TEST_CASE("what is not the published file is removed") {
  if (cannot_run()) return;
  Download test;
  Sha256 hash;
  hash.update(test.data.data(), test.data.size());
  test.file.sha256 = hash.finish();
  CHECK(contains(test.get("other"), "has the SHA-256 "));
  CHECK(contains(test.get("missing"), "404"));
  CHECK(contains(test.get("long"), "4: "));
  CHECK_FALSE(fs::exists(test.path));
  fs::remove(test.part);
  CHECK(test.get("plain") == "");
}

TEST_CASE("a redirection leads to the web alone, and not for ever") {
  if (cannot_run()) return;
  Download test;
  CHECK(contains(test.get("file"), "rotocol"));  // curl's words differ: "Protocol "file" not supported"
  CHECK(contains(test.get("loop"), "redirects"));
  CHECK_FALSE(fs::exists(test.part));
}

TEST_CASE("nothing that somebody put in the way is written to") {
  if (cannot_run()) return;
  Download test;
  const std::string victim = test.folder.file("victim");
  write_text(victim, "precious");
  const std::string refused =
      "8: " + test.part + ": is there already and is no plain file of yours; remove it";
  SUBCASE("a link") { fs::create_symlink(victim, test.part); }
  SUBCASE("a dangling link") { fs::create_symlink(test.folder.file("nowhere"), test.part); }
  SUBCASE("a second name") { fs::create_hard_link(victim, test.part); }
  SUBCASE("a pipe") { REQUIRE(mkfifo(test.part.c_str(), 0600) == 0); }
  SUBCASE("a file of another user") {
    if (geteuid() != 0) return;
    write_text(test.part, "x");
    REQUIRE(chown(test.part.c_str(), 65534, 65534) == 0);
  }
  CHECK(test.get("plain") == refused);
  CHECK(read_text(victim) == "precious");
  CHECK_FALSE(fs::exists(test.folder.file("nowhere")));
}

TEST_CASE("a link where the file is to be is replaced, not followed") {
  if (cannot_run()) return;
  Download test;
  const std::string victim = test.folder.file("victim");
  write_text(victim, "precious");
  fs::create_symlink(victim, test.path);
  CHECK(test.get("plain") == "");
  CHECK_FALSE(fs::is_symlink(test.path));
  CHECK(read_text(victim) == "precious");
}

TEST_CASE("an open file is converted, whatever its name has become, and its SHA-256 noted") {
  if (program("python3").empty()) {
    MESSAGE("SKIP: there is no python3 to convert with");
    return;
  }
  const TemporaryFolder folder;
  const std::string source = folder.file("in.pth"), target = folder.file("out.safetensors");
  const std::string make =
      "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1])\n"
      "import torch_files as t\n"
      "open(sys.argv[2], 'wb').write(t.zip_file(t.one_tensor(key='bn1.bias'), {'0': t.floats(1, 2)}))";
  const ProgramResult made =
      run_program({program("python3"), "-c", make, SWAG_SOURCE_DIR "/tests/tools", source});
  REQUIRE(made.errors == "");
  const Descriptor opened = open_regular_file(source, Status::kWeights);
  const std::string digest = sha256_file(source);
  write_text(folder.file("evil"), "evil");
  fs::rename(folder.file("evil"), source);
  ModelTools tools;
  tools.python = program("python3");
  tools.converter = SWAG_SOURCE_DIR "/tools/convert_weights.py";
  ConvertOptions options;
  options.opened = opened.get();
  convert_model(source, target, tools, options);
  const SafetensorsFile file = SafetensorsFile::open(target);
  CHECK(file.read<float>("bn1.bias") == std::vector<float>{1, 2});
  CHECK(file.metadata().at("source_sha256") == digest);
  CHECK(file.metadata().at("converted_from") == "in.pth");
}
