#include "src/cli/run_log.h"

#include <cerrno>
#include <cstring>
#include <iostream>

#include "src/support/error.h"
#include "src/support/json.h"

namespace swag::cli {

RunLog::RunLog(const std::string& path) {
  if (path == "-") {
    stream_ = &std::cout;
  } else if (!path.empty()) {
    file_.open(path, std::ios::trunc);
    if (!file_) throw Error(Status::kOutput, path + ": the log cannot be written: " + std::strerror(errno));
    stream_ = &file_;
  }
}

void RunLog::write(const swag_progress& progress, double seconds) {
  if (!stream_) return;
  const nlohmann::ordered_json line = {
      {"evaluation", progress.evaluations},
      {"scale", progress.scale},
      {"width", progress.width},
      {"height", progress.height},
      {"iteration", progress.iteration},
      {"loss", progress.loss},
      {"content_loss", progress.content_loss},
      {"style_loss", progress.style_loss},
      {"tv_loss", progress.tv_loss},
      {"seconds", seconds},
  };
  *stream_ << json_text(line) << std::endl;  // flushed, so that it can be followed
}

}  // namespace swag::cli
