#include "src/cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "src/support/printable.h"
namespace swag::cli {
namespace {

constexpr int kMostBar = 20, kLeastBar = 4;  // columns
constexpr double kRedrawSeconds = 0.1;
constexpr double kLineSeconds = 1;       // between two lines at least
constexpr double kFirstEstimate = 0.01;  // of the work: before it, the time expected is a guess

int terminal_columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

std::string clock_text(double seconds) {
  const long all = std::lround(std::max(0.0, seconds));
  char text[32];
  if (all >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", all / 3600, all / 60 % 60, all % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", all / 60, all % 60);
  }
  return text;
}

ProgressBar::ProgressBar(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::begin(const std::string& label) {
  clear();
  watch_ = Stopwatch();
  label_ = label;
  last_seconds_ = -1;
  tenths_ = -1;
}

std::string ProgressBar::expected_time(double fraction) const {
  const std::string elapsed = clock_text(seconds());
  return fraction < kFirstEstimate ? elapsed : elapsed + " of about " + clock_text(seconds() / fraction);
}

/// "61%  scale 3/3 512x384  it 61/100  loss 0.0123  1:02 of about 1:40"
std::string ProgressBar::line(const swag_progress& progress) const {
  std::string text = std::to_string(static_cast<int>(100 * progress.fraction)) + "%  ";
  text.insert(0, 5 - std::min<size_t>(5, text.size() - 1), ' ');
  if (label_.empty()) {
    text += "scale " + std::to_string(progress.scale + 1) + "/" + std::to_string(progress.scales) + " " +
            std::to_string(progress.width) + "x" + std::to_string(progress.height) + "  it " +
            std::to_string(progress.iteration) + "/" + std::to_string(progress.iterations) + "  loss " +
            rounded(progress.loss);
  } else {
    text += label_;
  }
  return text + "  " + expected_time(progress.fraction);
}

void ProgressBar::update(const swag_progress& progress) {
  if (quiet_) return;
  terminal_ ? draw_bar(progress) : print_line(progress);
  std::fflush(stderr);
}

void ProgressBar::draw_bar(const swag_progress& progress) {
  if (seconds() - last_seconds_ < kRedrawSeconds && progress.fraction < 1) return;
  last_seconds_ = seconds();
  std::string text = line(progress);
  const int room = terminal_columns() - 1, free = room - static_cast<int>(text.size()) - 2;
  if (free >= kLeastBar) {
    const int width = std::min(free, kMostBar);
    const int full = std::clamp(static_cast<int>(std::lround(width * progress.fraction)), 0, width);
    text.insert(0, "[" + std::string(full, '#') + std::string(width - full, '-') + "]");
  }
  text.resize(std::min<size_t>(text.size(), std::max(1, room)));
  std::fprintf(stderr, "\r%s\033[K", text.c_str());
  drawn_ = true;
}

/// The first line waits for an estimate, so that it tells what to expect.
void ProgressBar::print_line(const swag_progress& progress) {
  const int tenths = static_cast<int>(10 * progress.fraction);
  const bool early =
      tenths_ >= 0 ? seconds() - last_seconds_ < kLineSeconds : progress.fraction < kFirstEstimate;
  if (tenths <= tenths_ || early) return;
  tenths_ = tenths;
  last_seconds_ = seconds();
  std::fprintf(stderr, "swag:%s\n", line(progress).c_str());
}

void ProgressBar::message(const std::string& text) {
  if (quiet_) return;
  clear();
  std::fprintf(stderr, "swag: %s\n", printable(text, text.size()).c_str());
}

void ProgressBar::clear() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace swag::cli
