#include "src/weights/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "src/support/error.h"

extern char** environ;  // passed on unread: curl's proxies are in it

namespace swag {
namespace {

constexpr int kTickMilliseconds = 200;
constexpr size_t kErrorsKept = 4096;

[[noreturn]] void fail(const std::string& program, int error) {
  throw Error(Status::kInternal, "cannot run " + program + ": " + std::strerror(error));
}

/// Both ends of a pipe; what is not closed by hand is closed at the end.
struct Pipe {
  int ends[2] = {-1, -1};  // read, write
  ~Pipe() {
    close(0);
    close(1);
  }
  void close(int end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
};

/// A running program; leaving without wait() ends it.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

/// What is to be done for one stream of the program to come.
void attach(posix_spawn_file_actions_t* actions, int stream, int file, int flags) {
  if (file >= 0) {
    posix_spawn_file_actions_adddup2(actions, file, stream);
  } else {
    posix_spawn_file_actions_addopen(actions, stream, "/dev/null", flags, 0);
  }
}

/// posix_spawn with standard error in the pipe. Returns 0 or an errno.
int spawn(pid_t* pid, const std::vector<std::string>& arguments, const Pipe& pipe,
          const ProgramStreams& streams) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  attach(&actions, STDIN_FILENO, streams.input, O_RDONLY);
  attach(&actions, STDOUT_FILENO, streams.output, O_WRONLY);
  posix_spawn_file_actions_adddup2(&actions, pipe.ends[1], STDERR_FILENO);
  const int error = posix_spawn(pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& arguments, const std::function<void()>& tick,
                          const ProgramStreams& streams) {
  if (arguments[0].empty() || arguments[0][0] != '/') return {};
  Pipe pipe;
  if (pipe2(pipe.ends, O_CLOEXEC) != 0) fail(arguments[0], errno);
  ProgramResult result;
  pid_t pid = -1;
  const int error = spawn(&pid, arguments, pipe, streams);
  if (error == ENOENT || error == EACCES) return result;
  if (error != 0) fail(arguments[0], error);
  Child child(pid);
  result.found = true;
  pipe.close(1);

  for (bool open = true; open;) {
    pollfd waited{pipe.ends[0], POLLIN, 0};
    if (poll(&waited, 1, kTickMilliseconds) > 0) {
      char buffer[1024];
      const ssize_t got = read(pipe.ends[0], buffer, sizeof buffer);
      if (got > 0) result.errors.append(buffer, static_cast<size_t>(got));
      if (result.errors.size() > kErrorsKept) result.errors.erase(0, result.errors.size() - kErrorsKept);
      open = got > 0 || (got < 0 && errno == EINTR);
    }
    if (tick) tick();
  }
  result.exit_code = child.wait();
  while (!result.errors.empty() && result.errors.back() == '\n') result.errors.pop_back();
  return result;
}

}  // namespace swag
