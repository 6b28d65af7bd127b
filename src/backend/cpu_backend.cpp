#include "src/backend/cpu_backend.h"

#include <sched.h>

#include <cstring>
#include <thread>

#include "src/support/blas.h"
#include "src/support/host_memory.h"

namespace swag {
namespace {

/// The cores that this process may run on.
int available_cores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return CPU_COUNT(&cores);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

std::string CpuBackend::description() const {
  const int threads = pool_.threads();
  return "cpu, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

bool CpuBackend::computes_in(DType dtype) const {
  return dtype == DType::kFloat64 || dtype == DType::kFloat32;
}

int64_t CpuBackend::available_bytes() const { return available_host_memory_bytes(); }

void* CpuBackend::allocate(int64_t bytes) { return memory_.allocate(bytes); }

void CpuBackend::deallocate(void* data) noexcept { memory_.deallocate(data); }

void CpuBackend::upload(void* destination, const void* host, int64_t bytes) {
  copy(destination, host, bytes);
}

void CpuBackend::download(void* host, const void* source, int64_t bytes) { copy(host, source, bytes); }

void CpuBackend::copy(void* destination, const void* source, int64_t bytes) {
  assert(bytes >= 0);
  if (bytes > 0) std::memcpy(destination, source, static_cast<size_t>(bytes));
}

void CpuBackend::zero(void* destination, int64_t bytes) {
  assert(bytes >= 0);
  if (bytes > 0) std::memset(destination, 0, static_cast<size_t>(bytes));
}

void CpuBackend::mark() { marks_.push_back(std::chrono::steady_clock::now()); }

std::vector<double> CpuBackend::take_marks() {
  std::vector<double> milliseconds;
  for (const auto& mark : marks_) {
    milliseconds.push_back(std::chrono::duration<double, std::milli>(mark - marks_.front()).count());
  }
  marks_.clear();
  return milliseconds;
}

void CpuBackend::matrix_product(const Tensor& y, const Tensor& a, const Tensor& b) {
  assert(y.dense() && a.dense() && b.dense());
  const int m = a.shape.w, k = a.shape.c, n = b.shape.c;
  const int parts = pool_.threads();
  const Blas& library = blas(parts);
  cpu::parallel_tasks(stream_, parts, [&](int64_t part, int) {
    const int begin = static_cast<int>(m * part / parts),
              rows = static_cast<int>(m * (part + 1) / parts) - begin;
    const float one = 1, zero = 0;
    // Row by row is column by column of the transposes, and y^T = b^T a^T.
    library.sgemm("N", "N", &n, &rows, &k, &one, b.as<float>(), &n, a.as<float>() + int64_t{begin} * k, &k,
                  &zero, y.as<float>() + int64_t{begin} * n, &n, 1, 1);
  });
}

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  assert(threads >= 0);
  return std::make_unique<CpuBackend>(threads > 0 ? threads : available_cores());
}

}  // namespace swag
