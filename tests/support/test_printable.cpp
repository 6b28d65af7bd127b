#include <doctest/doctest.h>

#include "src/support/printable.h"

using namespace std::string_literals;

namespace swag::test {

TEST_CASE("printable leaves words of any language as they are") {
  for (const std::string& text :
       {""s, "a photo (1).jpg"s, "\\x1b is text already"s, "Grüße, 写真, 🙂"s}) {
    CHECK(printable(text) == text);
  }
}

TEST_CASE("printable shows control characters as \\xNN, so that none reaches a terminal") {
  CHECK(printable("a\nb\r\tc") == "a\\x0ab\\x0d\\x09c");
  CHECK(printable("\x1b[31mred\x7f\0."s) == "\\x1b[31mred\\x7f\\x00.");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");  // the one-character form of ESC [
}

TEST_CASE("printable shows what would turn or break the line as \\xNN") {
  CHECK(printable("a\xe2\x80\xaegnp.exe") == "a\\xe2\\x80\\xaegnp.exe");
  CHECK(printable("\xe2\x81\xa6") == "\\xe2\\x81\\xa6");
  CHECK(printable("\xe2\x80\xa8") == "\\xe2\\x80\\xa8");
}

TEST_CASE("printable shows bytes that are no UTF-8 as \\xNN") {
  CHECK(printable("\xff\xfe") == "\\xff\\xfe");
  CHECK(printable("\xc0\x80") == "\\xc0\\x80");                    // overlong
  CHECK(printable("\xe0\x80\x80") == "\\xe0\\x80\\x80");           // overlong
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // beyond Unicode
  CHECK(printable("\xe5\x86") == "\\xe5\\x86");                    // cut off
  CHECK(printable("\xe5z") == "\\xe5z");
}

TEST_CASE("printable shortens a long text between two characters") {
  CHECK(printable(std::string(200, 'x')) == std::string(200, 'x'));
  CHECK(printable(std::string(201, 'x')) == std::string(200, 'x') + "...");
  CHECK(printable("ääää", 3) == "ää...");
  CHECK(printable(std::string(1 << 20, '\n'), 4) == "\\x0a\\x0a\\x0a\\x0a...");
}

}  // namespace swag::test
