#include "src/codecs/foreign.h"

#include <algorithm>
#include <string_view>

#include "src/support/error.h"
#include "src/support/printable.h"

namespace swag {
namespace {

using namespace std::string_view_literals;

struct Format {
  const char* name;
  size_t offset;           // of the magic bytes
  std::string_view magic;  // may hold NUL
  const char* command;     // of IN and OUT: see refuse()
};

// What people have that this program does not read, and how they get what it does. "[0]" is the first page,
// or the picture that all layers make.
constexpr Format kForeign[] = {
    {"HEIC", 4, "ftyphei"sv, "heif-convert IN OUT.jpg"},
    {"HEIC", 4, "ftyphev"sv, "heif-convert IN OUT.jpg"},
    {"HEIF", 4, "ftypmif1"sv, "heif-convert IN OUT.jpg"},
    {"HEIF", 4, "ftypmsf1"sv, "heif-convert IN OUT.jpg"},
    {"AVIF", 4, "ftypavi"sv, "avifdec IN OUT.png"},
    {"WebP", 8, "WEBPVP8"sv, "dwebp IN -o OUT.png"},
    {"TIFF", 0, "II*\0"sv, "convert IN[0] OUT.png"},
    {"TIFF", 0, "MM\0*"sv, "convert IN[0] OUT.png"},
    {"TIFF", 0, "II+\0"sv, "convert IN[0] OUT.png"},
    {"TIFF", 0, "MM\0+"sv, "convert IN[0] OUT.png"},
    {"JPEG XL", 0, "\xff\x0a"sv, "djxl IN OUT.png"},
    {"JPEG XL", 0, "\0\0\0\x0cJXL "sv, "djxl IN OUT.png"},
    {"JPEG 2000", 0, "\0\0\0\x0cjP  "sv, "convert IN OUT.png"},
    {"PDF", 0, "%PDF-"sv, "pdftoppm -png -singlefile IN OUT"},
    {"PSD", 0, "8BPS"sv, "convert IN[0] OUT.png"},
    {"XCF", 0, "gimp xcf "sv, "convert IN -flatten OUT.png"},
    {"OpenEXR", 0, "v/1\x01"sv, "convert IN OUT.png"},
    {"Apple's PNG for iPhones (CgBI)", 12, "CgBI"sv, "sips -s format png IN --out OUT.png"},
};
constexpr const char* kSvgCommand = "rsvg-convert IN -o OUT.png";
constexpr const char* kBmpCommand = "convert IN OUT.png";
constexpr const char* kAnimatedWebpCommand = "convert IN[0] OUT.png";

/// As a word of a shell's command line that is no option, and shows no control characters (the user will see
/// that such a name cannot be typed).
std::string quoted(const std::string& text) {
  // convert takes a word of "@..." for a list of files, and one of "a:..." for a format.
  const bool special =
      !text.empty() && (text[0] == '-' || text[0] == '@' || text.find(':') != std::string::npos);
  const std::string path = special && text[0] != '/' ? "./" + text : text;
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
  if (path.find_first_not_of(kPlain) == std::string::npos) return path;
  std::string word = "'";
  for (const char c : printable(path, std::string::npos)) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

/// In the command IN stands for the file's name, OUT for that without its suffix.
[[noreturn]] void refuse(const std::string& name, const char* format, std::string_view command) {
  const size_t dot = name.rfind('.'), slash = name.rfind('/');
  const bool has_suffix =
      dot != std::string::npos && (slash == std::string::npos || dot > slash + 1) && dot > 0;
  const std::string stem = name.substr(0, has_suffix ? dot : name.size());
  std::string words, word;
  const auto put = [&](const std::string& made) { words += (words.empty() ? "" : " ") + made; };
  for (size_t at = 0; at < command.size(); at += word.size() + 1) {
    word = command.substr(at, command.find(' ', at) - at);
    const std::string suffix = word.substr(std::min(word.size(), word[0] == 'I' ? size_t{2} : size_t{3}));
    if (word.compare(0, 2, "IN") == 0) {
      put(quoted(name + suffix));
    } else if (word.compare(0, 3, "OUT") == 0) {
      // Never the file itself, which a wrong suffix would make it. Without one, the command adds its own.
      const bool itself = stem + (suffix.empty() ? ".png" : suffix) == name;
      put(quoted((itself ? stem + "-converted" : stem) + suffix));
    } else {
      put(word);
    }
  }
  throw Error(Status::kImage,
              printable(name, 4096) + ": " + format + " is not supported; convert it first: " + words);
}

/// XML may put a declaration, comments and a document type before the element that counts.
bool is_svg(std::string_view text) {
  const size_t first = text.find_first_not_of("\xef\xbb\xbf \t\r\n");
  return first != text.npos && text[first] == '<' && text.substr(0, 4096).find("<svg") != text.npos;
}

/// "BM", and behind its size and offset a header of 40 bytes at least that has 1 (RLE8) or 2 (RLE4) at its
/// 16th byte.
bool is_compressed_bmp(const uint8_t* file, size_t size) {
  return size >= 34 && file[0] == 'B' && file[1] == 'M' && file[14] >= 40 &&
         (file[30] == 1 || file[30] == 2) && file[31] == 0 && file[32] == 0 && file[33] == 0;
}

/// By a flag of the extended header, which comes first.
bool is_animated_webp(std::string_view text) {
  return text.size() > 20 && text.substr(8, 8) == "WEBPVP8X" && (text[20] & 2) != 0;
}

}  // namespace

void refuse_foreign(const uint8_t* file, size_t size, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file), size);
  for (const Format& format : kForeign) {
    if (size < format.offset + format.magic.size()) continue;
    if (text.substr(format.offset, format.magic.size()) != format.magic) continue;
    if (is_animated_webp(text)) refuse(name, "animated WebP", kAnimatedWebpCommand);
    refuse(name, format.name, format.command);
  }
  if (is_svg(text)) refuse(name, "SVG", kSvgCommand);
  if (is_compressed_bmp(file, size)) refuse(name, "BMP with run lengths (RLE)", kBmpCommand);
}

}  // namespace swag
