#include "src/codecs/decode.h"

#include <climits>
#include <new>

#include "src/codecs/bmp.h"
#include "src/codecs/chunks.h"
#include "src/codecs/foreign.h"
#include "src/codecs/gif.h"
#include "src/codecs/jpeg.h"
#include "src/codecs/picture_file.h"
#include "src/codecs/png.h"
#include "src/codecs/pnm.h"
#include "src/codecs/tga.h"
#include "src/support/file.h"
#include "src/support/printable.h"

namespace swag {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 30;  // of a file
constexpr size_t kLongestName = 4096;             // of a file in a message

Image decode(const PictureFile& file) {
  if (is_jpeg(file.data, file.size)) return decode_jpeg(file);
  if (is_png(file.data, file.size)) return decode_png(file);
  if (is_bmp(file.data, file.size)) return decode_bmp(file);
  if (is_gif(file.data, file.size)) return decode_gif(file);
  PnmHeader pnm;
  if (parse_pnm(pnm, file.data, file.size)) return decode_pnm(pnm, file);
  if (is_tga(file.data, file.size)) return decode_tga(file);
  file.fail("is not a picture that can be read; JPEG, PNG, BMP, GIF, TGA and binary PNM (P5, P6) can");
}

}  // namespace

Image decode_image(const void* data, size_t size, const std::string& name, const SizeRule& wanted,
                   std::vector<std::string>* notes) {
  const PictureFile file = {static_cast<const uint8_t*>(data), size, printable(name, kLongestName), wanted,
                            notes};
  if (size == 0) file.fail("is empty");
  if (size > INT_MAX) file.fail("is too large a file");
  refuse_foreign(file.data, file.size, name);
  try {
    return decode(file);
  } catch (const std::bad_alloc&) {
    throw Error(Status::kMemory, file.name + ": there is not enough memory to decode it");
  }
}

Image load_image(const std::string& path, const SizeRule& wanted, std::vector<std::string>* notes) {
  const std::vector<uint8_t> file = read_file(path, Status::kImage, kMostBytes);
  return decode_image(file.data(), file.size(), path, wanted, notes);
}

}  // namespace swag
