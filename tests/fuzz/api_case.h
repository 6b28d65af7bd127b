// Options and pictures for the C API, drawn from a fuzzer's input, in memory of exactly their size.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "include/swag.h"
#include "tests/fuzz/fuzz.h"

namespace swag::fuzz {

/// A view whose memory is as large as it says, but for sizes that no memory has.
struct ApiPicture {
  std::vector<unsigned char> bytes;
  swag_image view = {};
};

/// At most 16 x 16; sometimes with a size, stride, format or pointer that must be refused.
ApiPicture draw_picture(Input& input);

/// A right view of this size, in any format.
ApiPicture draw_output(Input& input, int width, int height);

/// A swag_options in a block of its struct_size, and the strings it points to.
class ApiOptions {
 public:
  explicit ApiOptions(Input& input);
  const swag_options* get() const { return reinterpret_cast<const swag_options*>(block_.get()); }

  /// Evaluations after which the progress callback asks to stop.
  int patience = 0;

 private:
  void change_field(Input& input);
  void change_text(Input& input, int field);
  void change_number(Input& input, int field);
  void change_choice(Input& input, int field);
  const char* keep(const std::string& text);

  swag_options options_ = {};
  std::vector<std::unique_ptr<std::string>> texts_;
  std::unique_ptr<unsigned char[]> block_;
};

}  // namespace swag::fuzz
