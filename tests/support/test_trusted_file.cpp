#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "src/support/trusted_file.h"
#include "tests/weights/weight_files.h"

using namespace swag;
using swag::test::contains;
using swag::test::TemporaryFolder;
using swag::test::write_text;

namespace fs = std::filesystem;

namespace {

/// "FOLDER/inner/program", which can be run, in folders of the user's own.
struct Program {
  Program() {
    fs::create_directory(inner);
    write_text(path, "#!/bin/sh\n");
    mode(path, 0755);
    mode(inner, 0755);
  }
  static void mode(const std::string& file, mode_t bits) { REQUIRE(chmod(file.c_str(), bits) == 0); }

  TemporaryFolder folder;
  const std::string inner = folder.file("inner"), path = folder.file("inner/program");
};

}  // namespace

TEST_CASE("a program's own folder is absolute and holds it") {
  CHECK(fs::path(own_folder()).is_absolute());
  CHECK(own_folder() == fs::canonical("/proc/self/exe").parent_path().string());
}

TEST_CASE("code is trusted where nobody else can change it, its folder or a folder above") {
  const Program program;
  CHECK(reason_for_distrust(program.path) == "");
  SUBCASE("the file") {
    Program::mode(program.path, 0777);
    CHECK(reason_for_distrust(program.path) == program.path + " can be changed by others");
  }
  SUBCASE("its folder") {
    Program::mode(program.inner, 0777);
    CHECK(reason_for_distrust(program.path) == program.inner + " can be changed by others");
    Program::mode(program.inner, 01777);  // a name could still be taken first
    CHECK(reason_for_distrust(program.path) == program.inner + " can be changed by others");
  }
  SUBCASE("a folder above") {
    Program::mode(program.folder.path(), 0777);
    CHECK(reason_for_distrust(program.path) == program.folder.path() + " can be changed by others");
    Program::mode(program.folder.path(), 01777);  // as /tmp: what is in it stays its owner's
    CHECK(reason_for_distrust(program.path) == "");
  }
  SUBCASE("a group of others") {
    if (geteuid() != 0) {
      MESSAGE("SKIP: only root can give a file to another group");
      return;
    }
    Program::mode(program.inner, 0775);
    CHECK(contains(reason_for_distrust(program.path), "can be changed by others"));
  }
  SUBCASE("another owner") {
    if (geteuid() != 0) {
      MESSAGE("SKIP: only root can give files away");
      return;
    }
    const std::string& given = program.inner;
    REQUIRE(chown(given.c_str(), 65534, 65534) == 0);
    CHECK(reason_for_distrust(program.path) == given + " belongs to another user (65534)");
  }
}

TEST_CASE("links on the way to code are looked at like the file itself") {
  const Program program;
  const TemporaryFolder open;
  fs::create_symlink(program.path, program.folder.file("link"));
  fs::create_symlink("inner/../link", program.folder.file("second"));
  CHECK(reason_for_distrust(program.folder.file("second")) == "");
  fs::create_symlink(program.path, open.file("link"));
  fs::create_symlink(open.file("link"), program.folder.file("third"));
  CHECK(reason_for_distrust(program.folder.file("third")) == "");
  Program::mode(open.path(), 0777);  // now anyone can turn the link in the middle elsewhere
  CHECK(reason_for_distrust(program.folder.file("third")) == open.path() + " can be changed by others");
  fs::create_symlink("loop", program.folder.file("loop"));
  CHECK(contains(reason_for_distrust(program.folder.file("loop")), "leads nowhere"));
}

TEST_CASE("what is no file under an absolute path is not trusted") {
  const Program program;
  CHECK(reason_for_distrust("program") == "program is no absolute path");
  CHECK(reason_for_distrust("") != "");
  CHECK(reason_for_distrust(program.inner) == program.inner + " is no file");
  CHECK(contains(reason_for_distrust(program.folder.file("missing")), "No such file"));
}

TEST_CASE("a program is found in absolute folders alone, the first that can be trusted") {
  const Program program, other;
  CHECK(find_program("program", program.inner + ":" + other.inner) == program.path);
  CHECK(find_program("program", "/no/such:" + program.inner) == program.path);
  CHECK(find_program("program", "") == "");
  CHECK(find_program("../inner/program", "") == "");
  const fs::path before = fs::current_path();
  fs::current_path(program.inner);
  CHECK(find_program("program", ".::inner:" + fs::relative(program.inner).string()) == "");
  CHECK(find_program("program", ":" + other.inner) == other.path);
  fs::current_path(before);
  Program::mode(program.inner, 0777);
  CHECK(find_program("program", program.inner + ":" + other.inner) == other.path);
  Program::mode(other.inner, 0777);  // none is to be trusted: one that can be asked what is wrong with it
  CHECK(find_program("program", program.inner + ":" + other.inner) == program.path);
  Program::mode(other.path, 0644);  // cannot be run
  CHECK(find_program("program", other.inner) == "");
}
