#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "src/support/descriptor.h"
#include "src/support/file.h"
#include "tests/weights/weight_files.h"

namespace swag::test {
namespace {

namespace fs = std::filesystem;

void write_file(const std::string& path, const std::string& text) {
  atomic_write_file(path, text.data(), text.size());
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

size_t files_in(const std::string& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("a file that is replaced keeps its permissions, a new one has the usual ones") {
  const TemporaryFolder folder;
  const mode_t mask = umask(022);
  write_file(folder.file("new"), "1");
  CHECK(mode_of(folder.file("new")) == 0644);
  for (const mode_t mode : {0600, 0640, 0666, 0444}) {
    REQUIRE(chmod(folder.file("new").c_str(), mode) == 0);
    write_file(folder.file("new"), "2");
    CHECK(mode_of(folder.file("new")) == mode);
  }
  umask(mask);
  CHECK(read_text(folder.file("new")) == "2");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("root keeps the owner of a file that it replaces") {
  const TemporaryFolder folder;
  write_text(folder.file("a"), "1");
  if (geteuid() != 0 || chown(folder.file("a").c_str(), 1234, 2345) != 0) {
    MESSAGE("SKIP: files cannot be given away here");
    return;
  }
  write_file(folder.file("a"), "2");
  struct stat info {};
  REQUIRE(stat(folder.file("a").c_str(), &info) == 0);
  CHECK(info.st_uid == 1234);
  CHECK(info.st_gid == 2345);
  CHECK(read_text(folder.file("a")) == "2");
}

TEST_CASE("the rights of single users are kept, and no group gains by it") {
  constexpr char kAcl[] = "system.posix_acl_access";
  // Version 2; then tag, rights and number of: the owner, the user 65534, the group, the mask, everyone else.
  struct Entry {
    uint16_t tag, rights;
    uint32_t id;
  };
  const struct {
    uint32_t version = 2;
    Entry entries[5] = {{1, 6, ~0u}, {2, 6, 65534}, {4, 0, ~0u}, {16, 6, ~0u}, {32, 0, ~0u}};
  } list;
  const TemporaryFolder folder;
  write_text(folder.file("a"), "1");
  if (::setxattr(folder.file("a").c_str(), kAcl, &list, sizeof list, 0) != 0) {
    MESSAGE("SKIP: this file system has no lists of rights");
    return;
  }
  CHECK(mode_of(folder.file("a")) == 0660);
  write_file(folder.file("a"), "2");
  CHECK(read_text(folder.file("a")) == "2");
  CHECK(mode_of(folder.file("a")) == 0660);
  char kept[128];
  REQUIRE(::getxattr(folder.file("a").c_str(), kAcl, kept, sizeof kept) == sizeof list);
  CHECK(std::memcmp(kept, &list, sizeof list) == 0);
}

TEST_CASE("a link stays, and what it leads to is written") {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("sub"));
  fs::create_symlink("sub/target", folder.file("link"));
  for (const char* text : {"new", "replaced"}) {
    write_file(folder.file("link"), text);
    CHECK(fs::is_symlink(folder.file("link")));
    CHECK(read_text(folder.file("sub/target")) == text);
  }
  CHECK(files_in(folder.path()) == 2);
  CHECK(files_in(folder.file("sub")) == 1);
}

TEST_CASE("pipes and devices are written through") {
  const TemporaryFolder folder;
  const std::string pipe = folder.file("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::string got;
  std::thread reader([&] { got = read_text(pipe); });
  write_file(pipe, std::string(200000, 'x'));
  reader.join();
  CHECK(got == std::string(200000, 'x'));
  CHECK(fs::is_fifo(pipe));
  write_file("/dev/null", "x");
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(contains(error_text([] { write_file("/dev/full", "x"); }), "8: /dev/full: cannot be written"));
}

TEST_CASE("a file reached through a descriptor is appended to, as a shell's >> asks") {
  const TemporaryFolder folder;
  write_text(folder.file("a"), "old");
  const Descriptor file(::open(folder.file("a").c_str(), O_WRONLY));
  write_file("/proc/self/fd/" + std::to_string(file.get()), "new");
  CHECK(read_text(folder.file("a")) == "oldnew");
}

TEST_CASE("a name can be as long as the file system allows, and so can a path") {
  const TemporaryFolder folder;
  const std::string longest = folder.file(std::string(255, 'n'));
  for (const char* text : {"new", "replaced"}) write_file(longest, text);
  CHECK(read_text(longest) == "replaced");
  std::string deep = folder.path();
  while (deep.size() < 4000) deep += "/" + std::string(std::min<size_t>(200, 4091 - deep.size()), 'd');
  fs::create_directories(deep);
  deep += "/a" + std::string(4093 - deep.size(), 'b');
  REQUIRE(deep.size() == 4095);
  for (const char* text : {"new", "replaced"}) write_file(deep, text);
  CHECK(read_text(deep) == "replaced");
}

TEST_CASE("leftovers are removed where no process holds them, and nothing else is") {
  const TemporaryFolder folder;
  const std::string held = folder.file(".swag-0123456789abcdef.part");
  const std::string left = folder.file(".swag-fedcba9876543210.part");
  const std::vector<const char*> others = {".swag-photo.part",
                                           ".swag-.part",
                                           ".swag-1.png",
                                           "a.part",
                                           ".swag-0123456789abcdeF.part",
                                           ".swag-0123456789abcde.part",
                                           ".swag-0123456789abcdef0.part"};
  for (const char* name : others) write_text(folder.file(name), "x");
  write_text(held, "x");
  write_text(left, "x");
  fs::create_directory(folder.file(".swag-000000000000000f.part"));
  fs::create_symlink("a.part", folder.file(".swag-000000000000000e.part"));
  const Descriptor writer(::open(held.c_str(), O_WRONLY));
  REQUIRE(::flock(writer.get(), LOCK_EX) == 0);
  remove_leftovers(folder.path());
  CHECK_FALSE(fs::exists(left));
  CHECK(fs::exists(held));
  CHECK(files_in(folder.path()) == others.size() + 3);
  remove_leftovers(folder.file("none"));
}

}  // namespace swag::test
