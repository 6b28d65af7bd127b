#include "src/support/blas.h"

#include <dlfcn.h>
#include <sched.h>

#include <string>

#include "src/support/error.h"
#include "src/support/host_memory.h"

namespace swag {
namespace {

constexpr int64_t kBuffer = int64_t{160} << 20;   // of OpenBLAS, for each thread in it, with room to spare
constexpr int64_t kLibrary = int64_t{128} << 20;  // its code, and Fortran's

/// While it lives the thread may run on one core alone: OpenBLAS counts the cores when it is loaded, and
/// starts no thread where there is one.
class OnOneCore {
 public:
  OnOneCore() {
    restores_ = sched_getaffinity(0, sizeof before_, &before_) == 0;
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core) {
      if (CPU_ISSET(core, &before_)) CPU_SET(core, &one);
    }
    if (restores_) restores_ = sched_setaffinity(0, sizeof one, &one) == 0;
  }
  ~OnOneCore() {
    if (restores_) sched_setaffinity(0, sizeof before_, &before_);
  }
  OnOneCore(const OnOneCore&) = delete;
  OnOneCore& operator=(const OnOneCore&) = delete;

 private:
  cpu_set_t before_ = {};
  bool restores_ = false;
};

/// OpenBLAS, or else any LAPACK, with the BLAS that it needs; for the rest of the process.
void* open_library() {
  const OnOneCore no_threads;
  for (const char* name : {"libopenblas.so.0", "libopenblas.so", "liblapack.so.3"}) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  }
  throw Error(Status::kDevice,
              "this needs LAPACK, and neither libopenblas.so.0 nor liblapack.so.3 can be loaded; install "
              "OpenBLAS (Debian: libopenblas0)");
}

template <typename Function>
void find(Function*& function, void* library, const char* name) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  if (!function) throw Error(Status::kDevice, std::string("the LAPACK of this system has no ") + name);
}

Blas load() {
  require_address_space(kLibrary + kBuffer, "OpenBLAS");
  void* const library = open_library();
  // It had threads already where something else in this process has loaded it before. Process-wide, alas.
  if (void* set_threads = dlsym(library, "openblas_set_num_threads")) {
    reinterpret_cast<void (*)(int)>(set_threads)(1);
  }
  Blas found = {};
  find(found.sgemm, library, "sgemm_");
  find(found.dtrmm, library, "dtrmm_");
  find(found.dsyrk, library, "dsyrk_");
  find(found.sgeqrf, library, "sgeqrf_");
  find(found.sorgqr, library, "sorgqr_");
  find(found.dgeqrf, library, "dgeqrf_");
  find(found.dpotrf, library, "dpotrf_");
  find(found.dgesdd, library, "dgesdd_");
  find(found.dsyevd, library, "dsyevd_");
  return found;
}

}  // namespace

const Blas& blas(int threads) {
  static const Blas loaded = load();
  require_address_space(threads * kBuffer, "OpenBLAS");
  return loaded;
}

}  // namespace swag
