// Deals the blocks of a launch to host threads, which live as long as the process and each own a Worker.
#include <link.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/emulator/block.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/memory.h"

namespace emulator {
namespace {

/// The calling thread's copy of the thread-local variables of the module with `function` in it: `__shared__`
/// arrays.
struct TlsSearch {
  uintptr_t function, begin, end;
};
int find_tls(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<TlsSearch*>(data);
  bool holds = false;
  size_t bytes = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD) {
      holds |= search->function >= begin && search->function < begin + segment.p_memsz;
    } else if (segment.p_type == PT_TLS) {
      bytes = segment.p_memsz;
    }
  }
  if (!holds) return 0;
  search->begin = bytes ? reinterpret_cast<uintptr_t>(info->dlpi_tls_data) : 0;
  search->end = search->begin + (search->begin ? bytes : 0);
  return 1;
}

/// What the host threads share about the launch under way.
struct Job {
  const Launch* launch = nullptr;
  std::vector<uint64_t> order;  // of blocks; empty: as numbered
  uint64_t count = 0;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> abandoned{false};
};

void take_blocks(Worker& worker, Job& job) {
  TlsSearch tls{reinterpret_cast<uintptr_t>(job.launch->function), 0, 0};
  dl_iterate_phdr(find_tls, &tls);
  running.shared.static_begin = tls.begin;
  running.shared.static_end = tls.end;
  worker.begin_launch(*job.launch);
  const OpenDeviceMemory open;
  while (!job.abandoned.load(std::memory_order_relaxed)) {
    const uint64_t turn = job.next.fetch_add(1, std::memory_order_relaxed);
    if (turn >= job.count) break;
    if (!worker.run_block(job.order.empty() ? turn : job.order[turn])) job.abandoned = true;
  }
}

/// Host threads that wait for launches. pthreads, because their stacks must have room for all `__shared__`
/// arrays.
class Pool {
 public:
  explicit Pool(unsigned size) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    threads_.resize(size);
    for (pthread_t& thread : threads_) {
      if (pthread_create(&thread, &attributes, &Pool::thread_main, this) != 0) {
        throw std::runtime_error("emulator: no host thread for the blocks");
      }
    }
    pthread_attr_destroy(&attributes);
  }
  ~Pool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
  }
  unsigned size() const { return static_cast<unsigned>(threads_.size()); }

  /// `helpers` host threads work on the job.
  void run(Job& job, unsigned helpers) {
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = &job;
    wanted_ = busy_ = helpers;
    wake_.notify_all();
    idle_.wait(lock, [&] { return busy_ == 0; });
    job_ = nullptr;
  }

 private:
  static constexpr size_t kStackBytes = size_t{64} << 20;

  static void* thread_main(void* pool) {
    static_cast<Pool*>(pool)->serve();
    return nullptr;
  }
  void serve() {
    Worker worker;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return wanted_ > 0 || ending_; });
      if (ending_) return;
      --wanted_;
      Job& job = *job_;
      lock.unlock();
      take_blocks(worker, job);
      lock.lock();
      if (--busy_ == 0) idle_.notify_one();
    }
  }

  std::vector<pthread_t> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  Job* job_ = nullptr;
  unsigned wanted_ = 0, busy_ = 0;
  bool ending_ = false;
};

unsigned worker_count() {
  return options().workers ? options().workers : std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

bool run_launch(const Launch& launch) {
  static std::mutex one_at_a_time;
  static std::unique_ptr<Pool> pool;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  if (!pool || pool->size() != worker_count()) {
    pool.reset();
    pool = std::make_unique<Pool>(worker_count());
  }
  Job job;
  job.launch = &launch;
  job.count = launch.block_count();
  if (options().shuffle) {
    job.order.resize(job.count);
    std::iota(job.order.begin(), job.order.end(), uint64_t{0});
    std::shuffle(job.order.begin(), job.order.end(), std::mt19937_64(options().shuffle));
  }
  pool->run(job, static_cast<unsigned>(std::min<uint64_t>(pool->size(), job.count)));
  return !job.abandoned;
}

}  // namespace emulator
