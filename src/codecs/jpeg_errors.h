// libjpeg's errors as exceptions. libjpeg leaves by longjmp, which must not cross what has a destructor: each
// of its calls is made through `call`, alone.
#pragma once
#include <jpeglib.h>

#include <bitset>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it first

namespace swag {

class JpegErrors {
 public:
  /// `fatal_warning`: which of libjpeg's warnings count as errors.
  explicit JpegErrors(bool (*fatal_warning)(int code)) : fatal_warning_(fatal_warning) {
    jpeg_std_error(&manager_);
    manager_.error_exit = leave;
    manager_.emit_message = on_message;
    manager_.output_message = [](j_common_ptr) {};
  }
  JpegErrors(const JpegErrors&) = delete;
  JpegErrors& operator=(const JpegErrors&) = delete;

  jpeg_error_mgr* manager() { return &manager_; }
  const char* message() const { return message_; }
  int code() const { return manager_.msg_code; }
  /// Whether libjpeg has warned so, which was not fatal.
  bool warned(int code) const { return warned_.test(static_cast<size_t>(code)); }

  /// Whether `body`, which makes one call of libjpeg and owns nothing, came back.
  template <typename Body>
  bool call(Body body) {
    if (setjmp(jump_) != 0) return false;
    body();
    return true;
  }

 private:
  [[noreturn]] static void leave(j_common_ptr info) {
    auto* self = reinterpret_cast<JpegErrors*>(info->err);  // its first member
    self->manager_.format_message(info, self->message_);
    std::longjmp(self->jump_, 1);
  }
  static void on_message(j_common_ptr info, int level) {
    auto* self = reinterpret_cast<JpegErrors*>(info->err);
    if (level >= 0) return;
    const int code = self->manager_.msg_code;
    if (self->fatal_warning_(code)) leave(info);
    if (code >= 0 && code < kCodes) self->warned_.set(static_cast<size_t>(code));
  }

  static constexpr int kCodes = 256;  // more than there are

  jpeg_error_mgr manager_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = "";
  bool (*fatal_warning_)(int code);
  std::bitset<kCodes> warned_;
};

}  // namespace swag
