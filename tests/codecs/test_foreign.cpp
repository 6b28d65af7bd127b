// Formats that are not read: what they are called, and a command that can be pasted.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/codecs/picture_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

const std::string kTiff = "II*\0\0\0\0\0"s, kWebp = "RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\0"s;

std::string command_for(const std::string& bytes, const std::string& name) {
  const std::string error = error_of(bytes, name), before = "convert it first: ";
  const size_t at = error.find(before);
  REQUIRE(at != std::string::npos);
  return error.substr(at + before.size());
}

/// What a shell makes of the words behind the program's name, one a line.
std::string words_in_shell(const std::string& command) {
  const TemporaryFolder folder;
  const std::string words = command.substr(command.find(' ') + 1), script = folder.file("script");
  write_text(script, "cd '" + folder.path() + "' && printf '%s\\n' " + words + " > words");
  REQUIRE(std::system(("sh '" + script + "'").c_str()) == 0);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) files += entry.exists();
  CHECK(files == 2);  // nothing else was made
  return read_text(folder.file("words"));
}

}  // namespace

TEST_CASE("no file name can make the advised command do anything else") {
  for (const std::string& stem :
       {"$(touch x)"s, "`touch x`"s, "a'; touch x; '"s, "a\"; touch x; \""s, "a b"s, "~"s, "*"s, "a|touch x"s,
        "a>x"s, "!!"s, "a\\"s, "{a,b}"s, "Grüße"s, "$HOME"s}) {
    CAPTURE(stem);
    CHECK(words_in_shell(command_for(kWebp, stem + ".webp")) == stem + ".webp\n-o\n" + stem + ".png\n");
  }
  CHECK(words_in_shell(command_for(kWebp, "-rf.webp")) == "./-rf.webp\n-o\n./-rf.png\n");
  CHECK(command_for(kWebp, "a\x1b[2J\n.webp") == "dwebp 'a\\x1b[2J\\x0a.webp' -o 'a\\x1b[2J\\x0a.png'");
  CHECK(command_for(kTiff, "mvg:x.tif") == "convert './mvg:x.tif[0]' ./mvg:x.png");
}

TEST_CASE("the advised command makes the file that it names, of the first page, and never in place") {
  CHECK(command_for("8BPS\0\1"s, "x.psd") == "convert 'x.psd[0]' x.png");
  CHECK(command_for(kTiff, "scan.png") == "convert 'scan.png[0]' scan-converted.png");
  CHECK(command_for("MM\0+\0\x08"s, "a/scan.tiff") == "convert 'a/scan.tiff[0]' a/scan.png");
  CHECK(command_for("\0\0\0\x18"s + "ftypheic\0\0\0\0"s, "p.jpg") == "heif-convert p.jpg p-converted.jpg");
  CHECK(command_for("%PDF-1.7", "doc.png") == "pdftoppm -png -singlefile doc.png doc-converted");
  CHECK(command_for("%PDF-1.7", ".pdf") == "pdftoppm -png -singlefile .pdf .pdf");
  CHECK(command_for(kTiff, "v1.2/scan") == "convert 'v1.2/scan[0]' v1.2/scan.png");
}

TEST_CASE("an animated WebP gets a command that can read it") {
  CHECK(command_for("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0"s, "a.webp") == "convert 'a.webp[0]' a.png");
  CHECK(command_for("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0"s, "a.webp") == "dwebp a.webp -o a.png");
}

TEST_CASE("a BMP with run lengths is called so") {
  const auto bmp = [](int compression) {
    return "BM"s + std::string(12, '\0') + little_endian(40, 4) + little_endian(4, 4) + little_endian(4, 4) +
           little_endian(1, 2) + little_endian(8, 2) + little_endian(compression, 4) + std::string(200, '\0');
  };
  for (const int compression : {1, 2}) {
    CHECK(error_of(bmp(compression), "r.bmp") ==
          "3: r.bmp: BMP with run lengths (RLE) is not supported; convert it first: convert r.bmp r.png");
  }
}

}  // namespace swag::test
