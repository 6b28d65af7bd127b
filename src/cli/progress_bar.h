// How far a run is, on standard error: a bar that is redrawn on a terminal, a line every tenth elsewhere.
#pragma once
#include <chrono>
#include <string>

#include "include/swag.h"

namespace swag::cli {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class ProgressBar {
 public:
  /// A quiet one shows nothing, messages included.
  explicit ProgressBar(bool quiet);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Starts a piece of work of its own, from now. `label` stands for what there is no scale and loss of
  /// ("fitting").
  void begin(const std::string& label = "");

  void update(const swag_progress& progress);

  /// A line of text above the bar.
  void message(const std::string& text);

  /// Takes the bar off the terminal.
  void clear();

  double seconds() const { return watch_.seconds(); }

 private:
  void draw_bar(const swag_progress& progress);
  void print_line(const swag_progress& progress);
  std::string line(const swag_progress& progress) const;
  std::string expected_time(double fraction) const;

  Stopwatch watch_;
  std::string label_;
  bool quiet_, terminal_;
  bool drawn_ = false;
  double last_seconds_ = -1;  // of the last bar or line
  int tenths_ = -1;           // of the last line
};

/// "0:07", "12:34", "1:02:03"
std::string clock_text(double seconds);

}  // namespace swag::cli
