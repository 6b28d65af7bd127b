// libpng's errors as exceptions. libpng leaves by longjmp, which must not cross what has a destructor: each
// of its calls is made through `call`, alone.
#pragma once
#include <png.h>

#include <csetjmp>
#include <string>

#include "src/support/printable.h"

namespace swag {

class PngErrors {
 public:
  PngErrors() = default;
  PngErrors(const PngErrors&) = delete;
  PngErrors& operator=(const PngErrors&) = delete;

  /// Of the last error; may hold bytes of the file, made printable.
  std::string message() const { return printable(message_); }

  /// Whether `body`, which makes calls of libpng and owns nothing, came back.
  template <typename Body>
  bool call(Body body) {
    if (setjmp(jump_) != 0) return false;
    body();
    return true;
  }

  /// libpng's callbacks, for png_create_*_struct with `this` as their pointer.
  [[noreturn]] static void leave(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngErrors*>(png_get_error_ptr(png));
    size_t length = 0;
    for (; text[length] != '\0' && length + 1 < sizeof self->message_; ++length) {
      self->message_[length] = text[length];
    }
    self->message_[length] = '\0';
    std::longjmp(self->jump_, 1);
  }
  /// Of all that libpng only warns of, a wrong sum over the pixels is damage.
  static void on_warning(png_structp png, png_const_charp text) {
    if (std::string_view(text) == "IDAT: incorrect data check") leave(png, text);
  }

 private:
  std::jmp_buf jump_{};
  char message_[128] = "";
};

}  // namespace swag
