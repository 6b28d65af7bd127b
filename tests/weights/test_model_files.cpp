#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <set>
#include <thread>

#include "src/network/graph.h"
#include "src/support/descriptor.h"
#include "src/weights/model_files.h"
#include "src/weights/sha256.h"
#include "src/weights/subprocess.h"
#include "src/weights/weights.h"
#include "tests/weights/weight_files.h"

using namespace swag;
using swag::test::contains;
using swag::test::error_text;
using swag::test::read_text;
using swag::test::TemporaryFolder;
using swag::test::write_text;

namespace {

std::string digest(const std::string& text, size_t chunk) {
  Sha256 hash;
  for (size_t i = 0; i < text.size(); i += chunk) hash.update(&text[i], std::min(chunk, text.size() - i));
  return hash.finish();
}

/// A shell script that stands in for curl or Python; it notes its arguments in PATH.log.
std::string script(const std::string& path, const std::string& body) {
  write_text(path, "#!/bin/sh\necho \"$@\" >> \"$0.log\"\n" + body + "\n");
  chmod(path.c_str(), 0700);
  return path;
}

constexpr char kZeros[] =
    "95b532cc4381affdff0d956e12520a04129ed49d37e154228368fe5621f0b9a2";  // their SHA-256

/// A "published" file of 10,000 zero bytes, the tools to get it, and a folder to put it into.
struct FetchFixture {
  FetchFixture() {
    const Graph graph = make_network("vgg11");
    Weights weights = splitmix_weights(graph, 1);
    weights.metadata["source_sha256"] = kZeros;  // as the converter notes it
    save_weights(tools.file("converted"), weights, graph);
    options.tools.curl = script(tools.file("curl"), "head -c 10000 /dev/zero");
    options.tools.python =
        script(tools.file("python"), "for last; do :; done; cp '" + tools.file("converted") + "' \"$last\"");
    options.tools.converter = "convert_weights.py";
  }
  std::string fetch() { return fetch_model(file, models.path(), options); }
  std::string fetch_error() {
    return error_text([&] { fetch(); });
  }
  std::vector<std::string> left() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(models.path())) {
      names.insert(entry.path().filename().string());
    }
    return {names.begin(), names.end()};
  }

  TemporaryFolder models, tools;
  FetchOptions options;
  ModelFile file{"vgg11", "vgg11", "vgg11-95b532cc.pth", "https://example.org/vgg11-95b532cc.pth", 10000,
                 kZeros,  ""};
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("sha256 equals the standard's examples, however the input is cut") {
  const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  for (size_t chunk : {1, 7, 64, 1000}) {
    CAPTURE(chunk);
    CHECK(digest("", chunk) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(digest("abc", chunk) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(digest(two_blocks, chunk) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(digest(std::string(1000000, 'a'), chunk) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
  const TemporaryFolder folder;
  write_text(folder.file("f"), std::string(3000000, 'x'));
  CHECK(sha256_file(folder.file("f")) == digest(std::string(3000000, 'x'), 64));
  CHECK(contains(error_text([&] { sha256_file(folder.file("no")); }), "4: "));
}

TEST_CASE("every published file is of a network that exists and carries its checksum in its name") {
  std::set<std::string> names, networks;
  for (const ModelFile& file : model_files()) {
    CAPTURE(file.name);
    names.insert(file.name);
    networks.insert(file.network);
    CHECK(make_network(file.network).network == file.network);
    CHECK(file.file == file.network + "-" + file.sha256.substr(0, 8) + ".pth");
    CHECK(file.url == "https://download.pytorch.org/models/" + file.file);
    CHECK((file.sha256.size() == 8 || file.whole_sha256_known()));
    CHECK(file.sha256.find_first_not_of("0123456789abcdef") == std::string::npos);
    int64_t bytes = 0;  // the file holds little else than these
    for (const StateEntry& entry : make_network(file.network).state) {
      int64_t size = file.name == "wide_resnet50_2" ? 2 : 4;  // that one is published in half precision
      for (int dimension : entry.shape) size *= dimension;
      bytes += size;
    }
    CHECK(file.bytes >= bytes);
    CHECK(file.bytes <= bytes + 1500 * static_cast<int64_t>(make_network(file.network).state.size()));
  }
  CHECK(names.size() == model_files().size());
  CHECK(networks.size() == network_names().size() - 1);  // nobody trained a NoResNet
  CHECK(find_model_file("resnet50").sha256.substr(0, 8) == "0676ba61");
  CHECK(find_model_file("vgg19").whole_sha256_known());
  CHECK(contains(error_text([] { find_model_file("vgg20"); }),
                 "2: no published weights are known for 'vgg20'"));
}

TEST_CASE("a program's exit code and complaints come back") {
  const ProgramResult failed =
      run_program({"/bin/sh", "-c", "echo lost; echo first >&2; echo last >&2; exit 7"});
  CHECK(failed.not_run == "");
  CHECK(failed.exit_code == 7);
  CHECK(failed.errors == "first\nlast");
  CHECK(run_program({"/bin/sh", "-c", "kill -9 $$"}).exit_code == 137);
  CHECK(run_program({"/bin/sh", "-c", "test \"$1\" = 'a b;$(c)'", "sh", "a b;$(c)"}).exit_code == 0);
  CHECK(run_program({"/bin/sh", "-c", "yes | head -c 100000 >&2"}).errors.size() <= 4096);
}

TEST_CASE("an exception while waiting ends the program") {
  const TemporaryFolder folder;
  const std::string body = "echo $$ > '" + folder.file("pid") + "'; exec sleep 100";
  int ticks = 0;
  CHECK_THROWS_AS(run_program({"/bin/sh", "-c", body},
                              [&] {
                                if (++ticks == 3) throw std::runtime_error("enough");
                              }),
                  std::runtime_error);
  const int pid = std::stoi("0" + read_text(folder.file("pid")));
  REQUIRE(pid > 0);
  CHECK(kill(pid, 0) != 0);
}

TEST_CASE("a program ends with the process that waits for it, however that ends") {
  const TemporaryFolder folder;
  const std::string body = "echo $$ > '" + folder.file("new") + "'; mv '" + folder.file("new") + "' '" +
                           folder.file("pid") + "'; exec sleep 100";
  const pid_t parent = fork();
  if (parent == 0) {
    run_program({"/bin/sh", "-c", body});
    _exit(0);
  }
  const auto wait_until = [](const auto& reached) {
    for (int i = 0; i < 500 && !reached(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return reached();
  };
  REQUIRE(wait_until([&] { return std::filesystem::exists(folder.file("pid")); }));
  const std::string pid = read_text(folder.file("pid"));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  // Where nobody collects orphans, it stays as a zombie, which has no command line.
  CHECK(
      wait_until([&] { return read_text("/proc/" + std::to_string(std::stoi(pid)) + "/cmdline").empty(); }));
}

TEST_CASE("why a program is not run comes back") {
  const TemporaryFolder folder;
  const std::string path = folder.file("program");
  CHECK(run_program({"/no/such/program"}).not_run == "is not installed");
  CHECK(run_program({"sh"}).not_run == "is not installed");
  CHECK(run_program({""}).not_run == "is not installed");
  write_text(path, "no program");
  CHECK(run_program({path}).not_run == "cannot be run: " + path + ": Permission denied");
  chmod(path.c_str(), 0700);
  CHECK(run_program({path}).not_run == "cannot be run: " + path + ": Exec format error");
  write_text(path, "#!/no/such/interpreter\n");
  CHECK(run_program({path}).not_run == "cannot be run: " + path + ": No such file or directory");
  chmod(path.c_str(), 0777);
  CHECK(run_program({path}).not_run == "is not run: " + path + " can be changed by others");
}

TEST_CASE("a fetched file is checked, converted, and there only as safetensors") {
  FetchFixture fixture;
  int64_t total = 0;
  fixture.options.progress = [&](int64_t done, int64_t all) {
    CHECK(done <= all);
    total = all;
  };
  const std::string path = fixture.fetch();
  CHECK(path == fixture.models.file("vgg11.safetensors"));
  CHECK(fixture.left() == Names{"vgg11.safetensors", "vgg11.safetensors.sha256"});
  CHECK(read_text(path + ".sha256") == sha256_file(path) + "  vgg11.safetensors\n");
  CHECK(total == 10000);
  const std::string curl = read_text(fixture.tools.file("curl.log"));
  CHECK(contains(curl, "--proto =https --proto-redir =https"));
  CHECK_FALSE(contains(curl, "--continue-at"));
  CHECK(fixture.fetch() == path);  // checked, not fetched again
  CHECK(read_text(fixture.tools.file("curl.log")) == curl);
  write_text(path, "damaged");
  CHECK(contains(fixture.fetch_error(), "vgg11.safetensors: has the SHA-256 "));
  CHECK(contains(fixture.fetch_error(), "not the one of " + path + ".sha256"));
  std::filesystem::remove(path + ".sha256");
  CHECK(contains(fixture.fetch_error(), "vgg11.safetensors: is no safetensors file"));
}

TEST_CASE("links where the fetched file and its note are to be are replaced, not followed") {
  FetchFixture fixture;
  const std::string victim = fixture.tools.file("victim");
  write_text(victim, "precious");
  std::filesystem::create_symlink(victim, fixture.models.file("vgg11.safetensors.sha256"));
  std::filesystem::create_symlink(fixture.tools.file("nowhere"), fixture.models.file("vgg11.safetensors"));
  CHECK(fixture.fetch_error().empty());
  CHECK(read_text(victim) == "precious");
  CHECK_FALSE(std::filesystem::exists(fixture.tools.file("nowhere")));
  CHECK(fixture.left() == Names{"vgg11.safetensors", "vgg11.safetensors.sha256"});
}

TEST_CASE("a converted file that is of other bytes than those that were checked is refused") {
  FetchFixture fixture;
  const Graph graph = make_network("vgg11");
  Weights weights = splitmix_weights(graph, 1);
  weights.metadata["source_sha256"] = std::string(64, '0');
  save_weights(fixture.tools.file("converted"), weights, graph);
  CHECK(contains(fixture.fetch_error(), "was changed while it was converted"));
  CHECK(fixture.left() == Names{"vgg11-95b532cc.pth"});
}

TEST_CASE("a file of which only the first digits are published is fetched, and that is said") {
  FetchFixture fixture;
  std::string said;
  fixture.options.note = [&](const std::string& line) { said += line; };
  fixture.file.sha256 = "95b532cc";
  CHECK(fixture.fetch_error().empty());
  CHECK(said == "vgg11-95b532cc.pth: SHA-256 " + std::string(kZeros) +
                    ", of which only the first 8 digits are published and compared");
}

TEST_CASE("a fetched file is kept on request and found again") {
  FetchFixture fixture;
  fixture.options.keep = true;
  fixture.fetch();
  CHECK(fixture.left() == Names{"vgg11-95b532cc.pth", "vgg11.safetensors", "vgg11.safetensors.sha256"});
  std::filesystem::remove(fixture.models.file("vgg11.safetensors"));
  fixture.options.tools.curl = "/no/such/curl";
  CHECK(fixture.fetch_error().empty());
}

TEST_CASE("a download that is not the published file is removed and never converted") {
  FetchFixture fixture;
  SUBCASE("other bytes") {
    fixture.file.sha256 = "00000000";
    CHECK(contains(fixture.fetch_error(), "has the SHA-256 95b532cc"));
  }
  SUBCASE("bytes whose SHA-256 begins alike") {
    fixture.file.sha256.back() = '0';
    CHECK(contains(fixture.fetch_error(), "has the SHA-256 95b532cc"));
  }
  SUBCASE("another size") {
    fixture.file.bytes = 50000;
    CHECK(contains(fixture.fetch_error(), "has 10000 bytes, expected about 50000"));
  }
  CHECK(fixture.left().empty());
  CHECK(read_text(fixture.tools.file("python.log")).empty());
}

TEST_CASE("what goes wrong while fetching is said with the way out, and the download is not lost") {
  FetchFixture fixture;
  SUBCASE("no curl") {
    fixture.options.tools.curl = "/no/such/curl";
    const std::string error = fixture.fetch_error();
    CHECK(contains(error,
                   "4: curl is not installed; by hand: download https://example.org/vgg11-95b532cc.pth"));
    CHECK(contains(error,
                   "`swag model convert vgg11-95b532cc.pth " + fixture.models.file("vgg11.safetensors")));
  }
  SUBCASE("no curl, and a folder whose name a shell would run") {
    fixture.options.tools.curl.clear();
    const std::string folder = fixture.models.file("$(touch x)'y");
    std::filesystem::create_directory(folder);
    const std::string error = error_text([&] { fetch_model(fixture.file, folder, fixture.options); });
    CHECK(
        contains(error, "95b532cc.pth '" + fixture.models.file("$(touch x)'\\''y") + "/vgg11.safetensors'`"));
  }
  SUBCASE("no network") {
    script(fixture.options.tools.curl, "echo 'curl: (6) Could not resolve host' >&2; exit 6");
    CHECK(contains(fixture.fetch_error(),
                   "4: cannot download vgg11-95b532cc.pth: curl: (6) Could not resolve host; by hand: "));
  }
  SUBCASE("a full disk") {
    script(fixture.options.tools.curl, "echo 'curl: (23) no space' >&2; exit 23");
    CHECK(fixture.fetch_error().rfind("8: ", 0) == 0);
  }
  SUBCASE("an interrupt") {
    script(fixture.options.tools.curl, "kill -INT $$");
    CHECK(fixture.fetch_error() == "130: download interrupted; the same command continues it");
  }
  SUBCASE("curl out of memory") {
    script(fixture.options.tools.curl, "kill -9 $$");
    CHECK(contains(fixture.fetch_error(), "6: curl was out of memory: curl ended with 137"));
  }
  SUBCASE("a curl that is no program") {
    write_text(fixture.options.tools.curl, "junk");
    CHECK(contains(fixture.fetch_error(), "4: curl cannot be run: " + fixture.options.tools.curl +
                                              ": Exec format error; by hand: download "));
    CHECK(fixture.left() == Names{});
  }
  SUBCASE("a Python that others can change") {
    chmod(fixture.options.tools.python.c_str(), 0777);
    CHECK(contains(fixture.fetch_error(), "4: python3 is not run: " + fixture.options.tools.python +
                                              " can be changed by others; run tools/convert_weights.py"));
  }
  SUBCASE("a Python that is ended for want of memory") {
    script(fixture.options.tools.python, "kill -9 $$");
    CHECK(contains(fixture.fetch_error(), "python3 ended by signal 9 (Killed)"));
    CHECK(fixture.fetch_error().rfind("6: cannot convert ", 0) == 0);
    CHECK(fixture.left() == Names{"vgg11-95b532cc.pth"});
  }
  SUBCASE("a Python that fails under a limit on memory") {
    script(fixture.options.tools.python, "echo 'error while loading libc.so.6' >&2; exit 127");
    rlimit before = {};
    getrlimit(RLIMIT_AS, &before);
    const rlimit limited = {rlim_t{1} << 46, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_AS, &limited) == 0);
    const std::string error = fixture.fetch_error();
    setrlimit(RLIMIT_AS, &before);
    CHECK(error.rfind("6: cannot convert ", 0) == 0);
    CHECK(contains(error, "python3 ended with 127: error while loading libc.so.6; the limit on memory"));
  }
  SUBCASE("an interrupt of Python") {
    script(fixture.options.tools.python, "exit 143");
    CHECK(contains(fixture.fetch_error(), "130: "));
  }
  SUBCASE("a Python that ends as it should not") {
    for (const char* code : {"1", "3", "4", "6", "8", "99"}) {
      CAPTURE(code);
      script(fixture.options.tools.python,
             "printf 'Traceback:\\n  x\\nError: y\\n' >&2; exit " + std::string(code));
      const std::string error = fixture.fetch_error();
      CHECK(error.rfind("4: cannot convert ", 0) == 0);
      CHECK(contains(error, ": python3 ended with " + std::string(code) + ": Error: y"));
    }
  }
  SUBCASE("no Python") {
    fixture.options.tools.python = "/no/such/python";
    CHECK(contains(fixture.fetch_error(), "4: python3 is not installed; run tools/convert_weights.py"));
    CHECK(fixture.left() == Names{"vgg11-95b532cc.pth"});
  }
  SUBCASE("a converter that refuses") {
    script(fixture.options.tools.python, "echo 'convert_weights.py: f: names os.system' >&2; exit 4");
    CHECK(fixture.fetch_error() == "4: f: names os.system");
  }
  SUBCASE("a converter that writes nonsense") {
    script(fixture.options.tools.python, "for last; do :; done; echo nonsense > \"$last\"");
    CHECK(contains(fixture.fetch_error(), "is no safetensors file"));
    CHECK(fixture.left() == Names{"vgg11-95b532cc.pth"});
  }
  SUBCASE("no folder") {
    CHECK(error_text([&] { fetch_model(fixture.file, "/no/such", fixture.options); }) ==
          "8: /no/such: no such folder");
  }
  SUBCASE("another file of that name") {
    write_text(fixture.models.file("vgg11-95b532cc.pth"), std::string(10000, '1'));
    CHECK(contains(fixture.fetch_error(), "remove it and try again"));
    CHECK(fixture.left() == Names{"vgg11-95b532cc.pth"});
  }
}

TEST_CASE(
    "a private folder that a killed fetch left is removed by the next, one in use and all others are not") {
  FetchFixture fixture;
  const auto folder = [&](const std::string& name, mode_t mode) {
    const std::string path = fixture.models.file(name);
    std::filesystem::create_directory(path);
    write_text(path + "/file", "x");
    chmod(path.c_str(), mode);
    return path;
  };
  folder(".swag-fetch-abc123", 0700);
  folder(".swag-fetch-abc12", 0700);
  folder(".swag-fetch-public", 0755);
  folder(".swag-abc123", 0700);
  const Descriptor used(open(folder(".swag-fetch-in_use", 0700).c_str(), O_RDONLY));
  REQUIRE(flock(used.get(), LOCK_EX) == 0);
  std::filesystem::create_directory_symlink(".swag-abc123", fixture.models.file(".swag-fetch-linked"));
  CHECK(fixture.fetch_error() == "");
  CHECK(fixture.left() == Names{".swag-abc123", ".swag-fetch-abc12", ".swag-fetch-in_use",
                                ".swag-fetch-linked", ".swag-fetch-public", "vgg11.safetensors",
                                "vgg11.safetensors.sha256"});
}

TEST_CASE("a note of a SHA-256 that is no short file is refused, not waited for") {
  const TemporaryFolder folder;
  const std::string path = folder.file("w"), note = path + ".sha256";
  write_text(path, "weights");
  CHECK(check_sha256_note(path) == "");
  SUBCASE("long") {
    write_text(note, std::string(70000, '0'));
    CHECK(error_text([&] { check_sha256_note(path); }) == "4: " + note + ": is larger than 64 KiB");
  }
  SUBCASE("a pipe") {
    REQUIRE(mkfifo(note.c_str(), 0600) == 0);
    CHECK(error_text([&] { check_sha256_note(path); }) == "4: " + note + ": is not a regular file");
  }
  SUBCASE("of a pipe") {
    REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
    write_text(folder.file("pipe.sha256"), "0");
    CHECK(contains(error_text([&] { check_sha256_note(folder.file("pipe")); }), "is not a regular file"));
  }
}

TEST_CASE("the converter is found in the first folder that has it") {
  const TemporaryFolder first, second;
  write_text(second.file("convert_weights.py"), "");
  CHECK(find_converter({first.path(), second.path()}) == second.file("convert_weights.py"));
  CHECK(contains(error_text([&] { find_converter({first.path()}); }),
                 "4: convert_weights.py is not in " + first.path()));
}
