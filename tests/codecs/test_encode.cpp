#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <string>

#include "src/codecs/chunks.h"
#include "src/codecs/decode.h"
#include "src/codecs/encode.h"
#include "src/support/file.h"
#include "tests/helpers.h"
#include "tests/weights/weight_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

/// Values that 8 bits hold exactly.
Image eight_bit_image(int h, int w, uint64_t seed, bool alpha) {
  Random random(seed);
  Image image{h, w, std::vector<float>(static_cast<size_t>(h) * w * 3), {}};
  if (alpha) image.alpha.resize(static_cast<size_t>(h) * w);
  for (float& value : image.rgb) value = static_cast<float>(random.bits() % 256) / 255.0f;
  for (float& value : image.alpha) value = static_cast<float>(random.bits() % 256) / 255.0f;
  return image;
}

std::string description_in(const std::string& path) {
  return read_description(read_file(path, Status::kImage, 1 << 20));
}

size_t files_in(const TemporaryFolder& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) count += entry.exists();
  return count;
}

/// JSON-like text with letters of two and three bytes.
std::string long_text(size_t bytes) {
  std::string text = "{\"what\":\"";
  while (text.size() + 7 < bytes) text += "\xc3\xa4\xe2\x82\xac";
  return text.append(bytes - text.size() - 2, '.') + "\"}";
}

/// While it lives, this process cannot write beyond `bytes` of a file.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit old_{};
};

}  // namespace

TEST_CASE("a PNG that is saved and loaded is the same to the bit") {
  const TemporaryFolder folder;
  for (const bool alpha : {false, true}) {
    const Image image = eight_bit_image(13, 29, 5, alpha);
    save_image(folder.file("a.PNG"), image, 0, "");
    const Image back = load_image(folder.file("a.PNG"));
    CHECK(back.h == 13);
    CHECK(back.w == 29);
    CHECK(back.rgb == image.rgb);
    CHECK(back.alpha == image.alpha);
  }
}

TEST_CASE("save_image rounds to the nearest and clamps") {
  const TemporaryFolder folder;
  const Image image{
      1, 2, {0.49f / 255, 0.51f / 255, 254.6f / 255, -3, 7, std::numeric_limits<float>::quiet_NaN()}, {}};
  save_image(folder.file("a.png"), image, 0, "");
  CHECK(load_image(folder.file("a.png")).rgb == std::vector<float>{0, 1 / 255.0f, 1, 0, 1, 0});
}

TEST_CASE("a JPEG is close to what was saved, closer with a higher quality, and shows alpha over white") {
  const TemporaryFolder folder;
  Image image = eight_bit_image(32, 32, 6, false);
  double errors[2];
  for (int i = 0; i < 2; ++i) {
    save_image(folder.file("a.jpg"), image, i == 0 ? 40 : 98, "");
    errors[i] = relative_l2(load_image(folder.file("a.jpg")).rgb, image.rgb);
  }
  CHECK_FALSE(!(errors[1] <= 0.05));
  CHECK(errors[1] < errors[0]);
  image.rgb.assign(image.rgb.size(), 0.2f);
  image.alpha.assign(image.rgb.size() / 3, 0.5f);
  save_image(folder.file("a.jpeg"), image, 95, "");
  const Image back = load_image(folder.file("a.jpeg"));
  CHECK(back.alpha.empty());
  CHECK_FALSE(!(worst_element(back.rgb, std::vector<float>(back.rgb.size(), 0.6f)) <= 0.02));
}

TEST_CASE("the description comes back from PNG and JPEG, of any length, and the picture is the same") {
  const TemporaryFolder folder;
  const Image image = eight_bit_image(8, 8, 7, false);
  for (const char* name : {"a.png", "a.jpg"}) {
    const std::string path = folder.file(name);
    save_image(path, image, 95, "");
    CHECK(description_in(path) == "");
    const Image without = load_image(path);
    for (const size_t bytes : {size_t{11}, size_t{65527}, size_t{65528}, size_t{65529}, size_t{200000}}) {
      CAPTURE(bytes);
      const std::string text = long_text(bytes);
      REQUIRE(text.size() == bytes);
      save_image(path, image, 95, text);
      CHECK(description_in(path) == text);
      CHECK(load_image(path).rgb == without.rgb);
    }
  }
}

TEST_CASE("the description lies in an iTXt chunk before the pixels, with a right sum") {
  const TemporaryFolder folder;
  save_image(folder.file("a.png"), eight_bit_image(3, 3, 8, false), 0, "{}");
  const std::string file = read_text(folder.file("a.png"));
  const size_t chunk = file.find("\0\0\0\x0biTXtswag\0\0\0\0\0{}"s);
  REQUIRE(chunk != std::string::npos);
  CHECK(file.find("IDAT") > chunk);
  const auto* bytes = reinterpret_cast<const uint8_t*>(file.data()) + chunk;
  CHECK(big_endian32(bytes + 19) == crc32(bytes + 4, 15));
  CHECK(crc32(reinterpret_cast<const uint8_t*>("123456789"), 9) == 0xcbf43926u);  // the check value of CRC-32
}

TEST_CASE("read_description does not follow lengths that lie, nor other programs' comments") {
  const TemporaryFolder folder;
  const Image image = eight_bit_image(8, 8, 9, false);
  const std::string png = folder.file("a.png"), jpeg = folder.file("a.jpg");
  save_image(png, image, 0, "{\"a\":1}");
  save_image(jpeg, image, 90, "{\"a\":1}");
  std::string bytes = read_text(png);
  write_text(png, bytes.replace(bytes.find("iTXt") - 4, 4, "\xff\xff\xff\xff"));
  CHECK(description_in(png) == "");
  bytes = read_text(jpeg);
  const size_t comment = bytes.find("\xff\xfe");
  REQUIRE(comment != std::string::npos);
  write_text(jpeg, std::string(bytes).replace(comment + 2, 2, "\xff\xff"));
  CHECK(description_in(jpeg) == "");
  write_text(jpeg, std::string(bytes).replace(comment + 2, 2, "\0\0"s));
  CHECK(description_in(jpeg) == "");
  write_text(jpeg, std::string(bytes).insert(comment,
                                             "\xff\xfe\0\x0a"
                                             "by GIMP."s));
  CHECK(description_in(jpeg) == "{\"a\":1}");
  for (size_t size = 1; size < bytes.size(); ++size) {
    write_text(jpeg, bytes.substr(0, size));
    CHECK(description_in(jpeg).size() <= 7);
  }
  write_text(png, "no picture");
  CHECK(description_in(png) == "");
}

TEST_CASE("check_output_path refuses what could not be written, and creates nothing") {
  const TemporaryFolder folder;
  const auto error = [](const std::string& path, bool overwrite = false) {
    return error_text([&] { check_output_path(path, overwrite); });
  };
  for (const char* name : {"a.png", "a.jpg", "a.JPEG", "a.b.Png"}) CHECK(error(folder.file(name)) == "");
  for (const char* name : {"a", "a.gif", "a.png.txt", ".png", "png"}) {
    CHECK(error(folder.file(name)) ==
          "8: " + folder.file(name) + ": unknown suffix; write to .png, .jpg or .jpeg");
  }
  CHECK(error("").substr(0, 3) == "8: ");
  CHECK(error(folder.path()) == "8: " + folder.path() + ": is a folder; name a file");
  const std::string missing = folder.file("none/a.png");
  CHECK(error(missing) ==
        "8: " + missing + ": there is no folder " + folder.file("none") + "; make it first");
  std::filesystem::create_directory(folder.file("folder.png"));
  CHECK(error(folder.file("folder.png"), true).find("is a folder") != std::string::npos);
  write_text(folder.file("old.png"), "x");
  CHECK(error(folder.file("old.png")).find("exists already; give --overwrite") != std::string::npos);
  CHECK(error(folder.file("old.png"), true) == "");
  CHECK(error(folder.file("old.png/a.png")).find("there is no folder") != std::string::npos);
  CHECK(read_text(folder.file("old.png")) == "x");
  CHECK(files_in(folder) == 2);
}

TEST_CASE("check_output_path refuses a folder that is not writable") {
  const TemporaryFolder folder;
  REQUIRE(chmod(folder.path().c_str(), 0500) == 0);
  if (access(folder.path().c_str(), W_OK) == 0) {
    MESSAGE("SKIP: this user may write everywhere");
  } else {
    const std::string error = error_text([&] { check_output_path(folder.file("a.png"), false); });
    CHECK(error.find("is not writable") != std::string::npos);
    CHECK(error_text([&] { atomic_write_file(folder.file("a"), "x", 1); }).substr(0, 3) == "8: ");
  }
  chmod(folder.path().c_str(), 0700);
}

TEST_CASE("save_image replaces a file as a whole and leaves nothing beside it") {
  const TemporaryFolder folder;
  const std::string path = folder.file(std::string(251, 'n') + ".png");  // the longest name there can be
  write_text(path, "old");
  save_image(path, eight_bit_image(2, 2, 1, false), 0, "");
  CHECK(load_image(path).w == 2);
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a write that fails leaves the old file and no temporary one") {
  const TemporaryFolder folder;
  const Image image = eight_bit_image(2, 2, 1, false);
  CHECK(error_text([&] { save_image(folder.file("a.gif"), image, 0, ""); }).substr(0, 3) == "8: ");
  CHECK(error_text([&] { save_image(folder.file("none/a.png"), image, 0, ""); }).substr(0, 3) == "8: ");
  std::filesystem::create_directories(folder.file("old.png/inside"));  // cannot be replaced by a file
  CHECK(error_text([&] { save_image(folder.file("old.png"), image, 0, ""); }).substr(0, 3) == "8: ");
  CHECK(std::filesystem::exists(folder.file("old.png/inside")));
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a full disk is an error, and the old file stays") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.bin");
  write_text(path, "old");
  // The limit of this process' files stands for the disk: the write stops in the middle.
  const std::string data(1 << 16, 'x');
  std::string error;
  {
    const FileSizeLimit limit(1 << 12);
    error = error_text([&] { atomic_write_file(path, data.data(), data.size()); });
  }
  CHECK(error.find("8: " + path + ": cannot be written") == 0);
  CHECK(read_text(path) == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("read_file gives the bytes, or an error with the status it was told") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.bin"), data = "\0\xff\n\r\0"s;
  const auto error = [&](int64_t most) {
    return error_text([&] { read_file(path, Status::kWeights, most); });
  };
  CHECK(error(9) == "4: " + path + ": there is no such file");
  atomic_write_file(path, data.data(), data.size());
  const std::vector<uint8_t> bytes = read_file(path, Status::kWeights, 5);
  CHECK(std::string(bytes.begin(), bytes.end()) == data);
  CHECK(error(4).substr(0, 3) == "4: ");
  atomic_write_file(path, "", 0);
  CHECK(error(9) == "4: " + path + ": is empty");
}

}  // namespace swag::test
