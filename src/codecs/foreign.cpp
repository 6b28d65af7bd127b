#include "src/codecs/foreign.h"

#include <string_view>

#include "src/support/error.h"

namespace swag {
namespace {

using namespace std::string_view_literals;

struct Format {
  const char* name;
  size_t offset;           // of the magic bytes
  std::string_view magic;  // may hold NUL
  const char* command;     // IN and OUT stand for the file's name without and with another suffix
};

// What people have that this program does not read, and how they get what it does.
constexpr Format kForeign[] = {
    {"HEIC", 4, "ftyphei"sv, "heif-convert IN OUT.jpg"},
    {"HEIC", 4, "ftyphev"sv, "heif-convert IN OUT.jpg"},
    {"HEIF", 4, "ftypmif1"sv, "heif-convert IN OUT.jpg"},
    {"HEIF", 4, "ftypmsf1"sv, "heif-convert IN OUT.jpg"},
    {"AVIF", 4, "ftypavi"sv, "avifdec IN OUT.png"},
    {"WebP", 8, "WEBPVP8"sv, "dwebp IN -o OUT.png"},
    {"TIFF", 0, "II*\0"sv, "convert IN OUT.png"},
    {"TIFF", 0, "MM\0*"sv, "convert IN OUT.png"},
    {"JPEG XL", 0, "\xff\x0a"sv, "djxl IN OUT.png"},
    {"JPEG XL", 0, "\0\0\0\x0cJXL "sv, "djxl IN OUT.png"},
    {"PDF", 0, "%PDF-"sv, "pdftoppm -png -singlefile IN OUT"},
    {"PSD", 0, "8BPS"sv, "convert IN OUT.png"},
};
constexpr const char* kSvgCommand = "rsvg-convert IN -o OUT.png";

/// As a word of a shell's command line.
std::string quoted(const std::string& text) {
  return text.find_first_of(" '\"$&()*;<>?[\\]`|~!#") == std::string::npos ? text : "\"" + text + "\"";
}

[[noreturn]] void refuse(const std::string& name, const char* format, std::string_view command) {
  const size_t dot = name.rfind('.'), slash = name.rfind('/');
  const bool has_suffix = dot != std::string::npos && (slash == std::string::npos || dot > slash);
  std::string line(command);
  const size_t out = line.find("OUT"), end = line.find(' ', out);
  const std::string suffix = line.substr(out + 3, end == std::string::npos ? end : end - out - 3);
  line.replace(out, 3 + suffix.size(), quoted(name.substr(0, has_suffix ? dot : name.size()) + suffix));
  line.replace(line.find("IN"), 2, quoted(name));
  throw Error(Status::kImage, name + ": " + format + " is not supported; convert it first: " + line);
}

/// XML may put a declaration, comments and a document type before the element that counts.
bool is_svg(std::string_view text) {
  const size_t first = text.find_first_not_of("\xef\xbb\xbf \t\r\n");
  return first != text.npos && text[first] == '<' && text.substr(0, 4096).find("<svg") != text.npos;
}

}  // namespace

void refuse_foreign(const uint8_t* file, size_t size, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file), size);
  for (const Format& format : kForeign) {
    if (size < format.offset + format.magic.size()) continue;
    if (text.substr(format.offset, format.magic.size()) == format.magic)
      refuse(name, format.name, format.command);
  }
  if (is_svg(text)) refuse(name, "SVG", kSvgCommand);
}

}  // namespace swag
