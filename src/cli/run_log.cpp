#include "src/cli/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "src/support/error.h"
#include "src/support/file.h"
#include "src/support/json.h"
#include "src/support/output_place.h"

namespace swag::cli {

void RunLog::open(const std::string& path, bool overwrite) {
  size_ = 0;
  standard_output_ = path == "-";
  if (standard_output_) {
    file_ = Descriptor(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  } else {
    const bool stream = check_output_file(path, overwrite).kind == OutputPlace::Kind::kStream;
    const int flags = stream ? O_APPEND | O_NOCTTY : O_CREAT | (overwrite ? O_TRUNC : O_EXCL);
    file_ = Descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666));
  }
  const std::string name = standard_output_ ? "standard output" : path;
  if (!file_) throw Error(Status::kOutput, name + ": the log cannot be opened: " + std::strerror(errno));
}

int RunLog::write(const swag_progress& progress, double seconds) {
  if (!file_) return 0;
  const nlohmann::ordered_json json = {
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
  const std::string line = json_text(json) + "\n";
  if (write_all(file_.get(), line.data(), line.size())) {
    size_ += static_cast<int64_t>(line.size());
    return 0;
  }
  const int error = errno;
  if (!standard_output_) {  // of that, what is there before the first line is not ours to cut
    [[maybe_unused]] const int cut = ::ftruncate(file_.get(), size_);  // a pipe cannot be
  }
  file_.close();
  return error;
}

}  // namespace swag::cli
