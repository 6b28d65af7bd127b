#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "src/support/descriptor.h"
#include "src/support/output_place.h"
#include "tests/weights/weight_files.h"

namespace swag::test {

using Kind = OutputPlace::Kind;
namespace fs = std::filesystem;

TEST_CASE("a place is new, a file or a stream, and a link is what it leads to") {
  const TemporaryFolder folder;
  write_text(folder.file("old"), "x");
  REQUIRE(chmod(folder.file("old").c_str(), 0640) == 0);
  fs::create_directory(folder.file("sub"));
  fs::create_symlink("../old", folder.file("sub/link"));
  fs::create_symlink("sub/link", folder.file("chain"));
  fs::create_symlink("sub/nothing", folder.file("dangling"));
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);

  CHECK(find_output_place(folder.file("new")).kind == Kind::kNew);
  const OutputPlace old = find_output_place(folder.file("old")),
                    chain = find_output_place(folder.file("chain"));
  CHECK(old.kind == Kind::kFile);
  CHECK(old.mode == 0640);
  CHECK_FALSE(old.through_link);
  CHECK(chain.through_link);
  CHECK(chain.name == "old");
  CHECK(same_file(old, chain));
  const OutputPlace dangling = find_output_place(folder.file("dangling"));
  CHECK(dangling.kind == Kind::kNew);
  CHECK(same_file(dangling, find_output_place(folder.file("sub/./nothing"))));
  for (const std::string& stream :
       {folder.file("pipe"), std::string("/dev/null"), std::string("/dev/stdout")}) {
    CAPTURE(stream);
    CHECK(find_output_place(stream).kind == Kind::kStream);
  }
}

TEST_CASE("two names are one file through links and dots, and where only the case differs") {
  const TemporaryFolder folder;
  write_text(folder.file("old"), "x");
  fs::create_hard_link(folder.file("old"), folder.file("hard"));
  fs::create_directory_symlink(folder.path(), folder.file("again"));
  fs::create_directory(folder.file("sub"));
  const auto same = [&](const char* a, const char* b) {
    return same_file(find_output_place(folder.file(a)), find_output_place(folder.file(b)));
  };
  for (const char* name : {"hard", "./old", "sub/../old", "again/old", "again/again/hard"})
    CHECK(same("old", name));
  for (const char* name : {"./new", "sub/../new", "again/new", "New"}) CHECK(same("new", name));
  for (const char* name : {"old", "sub/new", "new2"}) CHECK_FALSE(same("new", name));
  CHECK_FALSE(same_file(find_output_place("/dev/null"), find_output_place("/dev/null")));
}

TEST_CASE("a file or a pipe is the same through a descriptor, a device may be shared") {
  const TemporaryFolder folder;
  write_text(folder.file("old"), "x");
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  for (const char* name : {"old", "pipe"}) {
    CAPTURE(name);
    const Descriptor file(::open(folder.file(name).c_str(), O_RDWR | O_CLOEXEC));
    const std::string path = "/proc/self/fd/" + std::to_string(file.get());
    fs::remove(folder.file("link"));
    fs::create_symlink(path, folder.file("link"));
    const OutputPlace place = find_output_place(folder.file(name));
    CHECK(same_file(place, find_output_place(path)));
    CHECK(same_file(place, find_output_place(folder.file("link"))));
    CHECK(same_file(place, place_of_descriptor(file.get(), "it")));
    CHECK_FALSE(same_file(place, find_output_place("/dev/null")));
  }
  CHECK(contains(error_text([] { place_of_descriptor(-1, "it"); }), "8: it: "));
}

TEST_CASE("what no file can be written to is refused with its reason") {
  const TemporaryFolder folder;
  fs::create_symlink("b", folder.file("a"));
  fs::create_symlink("a", folder.file("b"));
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  folder.file("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const auto error = [](const std::string& path) { return error_text([&] { find_output_place(path); }); };
  CHECK(contains(error(folder.file("a")), "link"));
  CHECK(contains(error(folder.file("socket")), "is a socket"));
  CHECK(contains(error(folder.file(std::string(256, 'n'))), "too long"));
  CHECK(contains(error(folder.file(std::string(5000, '/') + "n")), "too long"));
  CHECK(contains(error(folder.file("none/n")), "there is no folder"));
  CHECK(contains(error(folder.file("new/")), "there is no folder"));
  CHECK(contains(error(folder.path()), "is a folder"));
  CHECK(contains(error(""), "is empty"));
}

TEST_CASE("check_output_file keeps what is there, and a link that leads nowhere, unless it may replace") {
  const TemporaryFolder folder;
  write_text(folder.file("old"), "x");
  fs::create_symlink("nothing", folder.file("dangling"));
  fs::create_symlink("/proc/nowhere/n", folder.file("outside"));
  const auto error = [&](const char* name, bool overwrite) {
    return error_text([&] { check_output_file(folder.file(name), overwrite); });
  };
  CHECK(error("new", false) == "");
  CHECK(contains(error("old", false), "--overwrite"));
  CHECK(error("old", true) == "");
  CHECK(contains(error("dangling", false), "nothing, which is not there; give --overwrite"));
  CHECK(error("dangling", true) == "");
  CHECK(contains(error("outside", true), "there is no folder"));
  CHECK(error_text([] { check_output_file("/dev/null", false); }) == "");
}

}  // namespace swag::test
