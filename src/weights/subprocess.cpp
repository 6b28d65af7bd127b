#include "src/weights/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "src/support/error.h"
#include "src/support/trusted_file.h"

extern char** environ;  // passed on unread: curl's proxies are in it

namespace swag {
namespace {

constexpr int kTickMilliseconds = 200;
constexpr size_t kErrorsKept = 4096;

[[noreturn]] void fail(const std::string& program, int error) {
  throw Error(Status::kMemory, "cannot run " + program + ": " + std::strerror(error));
}

/// Whether the system refused because something ran out, not because of the program.
bool is_shortage(int error) {
  return error == ENOMEM || error == EAGAIN || error == EMFILE || error == ENFILE;
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

/// Gives the process `file` as its `stream`, or nothing to read or write.
bool attach(int stream, int file, int flags) {
  if (file >= 0) return ::dup2(file, stream) >= 0;
  const int nothing = ::open("/dev/null", flags | O_CLOEXEC);
  return nothing >= 0 && ::dup2(nothing, stream) >= 0;
}

/// What this process does on a signal is not for the new one, which shares its open files. What is ignored
/// stays so, as after an exec.
void forget_handlers() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action = {};
    sigaction(signal, &action, nullptr);
  }
}

/// While it lives, no signal arrives.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeld() { release(); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  void release() const { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

/// What the new process does until it is the program: nothing that a lock could hold up. A failure goes into
/// the pipe as its errno.
[[noreturn]] void become(char* const* argv, pid_t parent, const Pipe& errors, const Pipe& failure,
                         const ProgramStreams& streams, const SignalsHeld& held) {
  forget_handlers();
  held.release();
  // Nobody waits for it once its parent is gone, which may have happened before it could ask to be told.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(128 + SIGTERM);
  if (attach(STDIN_FILENO, streams.input, O_RDONLY) && attach(STDOUT_FILENO, streams.output, O_WRONLY) &&
      attach(STDERR_FILENO, errors.ends[1], O_WRONLY)) {
    ::execve(argv[0], argv, environ);
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t told = ::write(failure.ends[1], &error, sizeof error);
  ::_exit(127);
}

/// Starts the program with standard error in the pipe. Returns 0 or an errno.
int spawn(pid_t* pid, const std::vector<std::string>& arguments, const Pipe& errors,
          const ProgramStreams& streams) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  Pipe failure;  // closed by the exec that goes well
  if (pipe2(failure.ends, O_CLOEXEC) != 0) return errno;
  const pid_t parent = getpid();
  int error = 0;
  {
    const SignalsHeld held;
    *pid = fork();
    if (*pid == 0) become(argv.data(), parent, errors, failure, streams, held);
    if (*pid < 0) error = errno;
  }
  if (error != 0) return error;
  failure.close(1);
  ssize_t got = 0;
  while ((got = read(failure.ends[0], &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (got != sizeof error) return 0;
  Child(*pid).wait();
  return error;
}

/// Why the program must not or cannot be run, before it is tried; empty when nothing speaks against it.
std::string reason_against(const std::string& program) {
  if (program.empty() || program[0] != '/' || access(program.c_str(), F_OK) != 0) return "is not installed";
  const std::string distrust = reason_for_distrust(program);
  return distrust.empty() ? "" : "is not run: " + distrust;
}

}  // namespace

bool ProgramResult::interrupted() const {
  return exit_code == 128 + SIGHUP || exit_code == 128 + SIGINT || exit_code == 128 + SIGTERM;
}

ProgramResult run_program(const std::vector<std::string>& arguments, const std::function<void()>& tick,
                          const ProgramStreams& streams) {
  ProgramResult result;
  result.not_run = reason_against(arguments[0]);
  if (!result.not_run.empty()) return result;
  Pipe pipe;
  if (pipe2(pipe.ends, O_CLOEXEC) != 0) fail(arguments[0], errno);
  pid_t pid = -1;
  const int error = spawn(&pid, arguments, pipe, streams);
  if (is_shortage(error)) fail(arguments[0], error);
  if (error != 0) {
    result.not_run = "cannot be run: " + arguments[0] + ": " + std::strerror(error);
    return result;
  }
  Child child(pid);
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
