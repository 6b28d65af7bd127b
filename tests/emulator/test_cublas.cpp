// cuBLAS against plain loops, and its errors.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/emulator/emulator.h"
#include "tests/emulator/include/cublas_v2.h"
#include "tests/emulator/include/emulator/small_float.h"
#include "tests/helpers.h"

namespace {

using swag::test::random_vector;

class Fixture {
 public:
  Fixture() {
    emulator::Options options;
    options.check = true;
    options.report = false;
    emulator::configure(options);
    emulator::take_findings();
    REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS);
  }
  ~Fixture() {
    cublasDestroy(handle);
    for (void* pointer : pointers_) cudaFree(pointer);
    for (const emulator::Finding& finding : emulator::take_findings()) FAIL_CHECK(finding.text);
    cudaDeviceReset();
    emulator::configure(emulator::Options());
  }
  template <typename T>
  T* device(const std::vector<T>& values) {
    T* pointer = device_empty<T>(values.size());
    REQUIRE(cudaMemcpy(pointer, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice) ==
            cudaSuccess);
    return pointer;
  }
  template <typename T>
  T* device_empty(size_t count) {
    T* pointer = nullptr;
    REQUIRE(cudaMalloc(&pointer, count * sizeof(T)) == cudaSuccess);
    pointers_.push_back(pointer);
    return pointer;
  }
  template <typename T>
  std::vector<T> host(const T* pointer, size_t count) {
    std::vector<T> values(count);
    REQUIRE(cudaMemcpy(values.data(), pointer, count * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }
  static size_t take_count() { return emulator::take_findings().size(); }

  cublasHandle_t handle = nullptr;

 private:
  std::vector<void*> pointers_;
};

/// c = alpha op(a) op(b) + beta c, by columns, in double.
template <typename T>
std::vector<double> product(bool transa, bool transb, int m, int n, int k, double alpha,
                            const std::vector<T>& a, int lda, const std::vector<T>& b, int ldb, double beta,
                            const std::vector<T>& c, int ldc) {
  std::vector<double> result(c.begin(), c.end());
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < m; ++i) {
      double sum = 0;
      for (int p = 0; p < k; ++p) {
        sum += static_cast<double>(transa ? a[p + i * lda] : a[i + p * lda]) *
               (transb ? b[j + p * ldb] : b[p + j * ldb]);
      }
      result[i + j * ldc] = alpha * sum + beta * c[i + j * ldc];
    }
  }
  return result;
}

}  // namespace

TEST_CASE("cublasSgemm and cublasDgemm multiply by columns, transposed or not") {
  Fixture fixture;
  constexpr int kM = 5, kN = 4, kK = 7, kLda = 9, kLdb = 8, kLdc = 6;
  for (const bool transa : {false, true}) {
    for (const bool transb : {false, true}) {
      const auto a = random_vector<double>(kLda * 7, 1), b = random_vector<double>(kLdb * 7, 2),
                 c = random_vector<double>(kLdc * kN, 3);
      const auto expected = product(transa, transb, kM, kN, kK, 0.5, a, kLda, b, kLdb, -2, c, kLdc);
      const auto op_a = transa ? CUBLAS_OP_T : CUBLAS_OP_N, op_b = transb ? CUBLAS_OP_T : CUBLAS_OP_N;
      const double alpha = 0.5, beta = -2;
      double* device_c = fixture.device(c);
      CHECK(cublasDgemm(fixture.handle, op_a, op_b, kM, kN, kK, &alpha, fixture.device(a), kLda,
                        fixture.device(b), kLdb, &beta, device_c, kLdc) == CUBLAS_STATUS_SUCCESS);
      CHECK(swag::test::relative_l2(fixture.host(device_c, c.size()), expected) <= 1e-15);
      const float alpha_float = 0.5f, beta_float = -2;
      const auto c_float = swag::test::converted<float>(c);
      float* device_c_float = fixture.device(c_float);
      CHECK(cublasSgemm(fixture.handle, op_a, op_b, kM, kN, kK, &alpha_float,
                        fixture.device(swag::test::converted<float>(a)), kLda,
                        fixture.device(swag::test::converted<float>(b)), kLdb, &beta_float, device_c_float,
                        kLdc) == CUBLAS_STATUS_SUCCESS);
      CHECK(swag::test::relative_l2(fixture.host(device_c_float, c.size()), expected) <= 1e-6);
    }
  }
}

TEST_CASE("cublasGemmEx rounds 16-bit inputs and outputs as their type does") {
  Fixture fixture;
  constexpr int kSize = 6;
  const auto a = random_vector<float>(36, 1), b = random_vector<float>(36, 2);
  using emulator::SmallFloat;
  const auto check = [&](cudaDataType_t type, uint16_t (*round)(double), float (*widen)(uint16_t),
                         double tolerance) {
    std::vector<uint16_t> a_bits, b_bits;
    std::vector<float> a_rounded, b_rounded;
    for (int i = 0; i < 36; ++i) {
      a_bits.push_back(round(a[i]));
      b_bits.push_back(round(b[i]));
      a_rounded.push_back(widen(a_bits.back()));
      b_rounded.push_back(widen(b_bits.back()));
    }
    const auto expected = product(true, false, kSize, kSize, kSize, 1, a_rounded, 6, b_rounded, 6, 0,
                                  std::vector<float>(36), 6);
    const float alpha = 1, beta = 0;
    auto* c = fixture.device_empty<float>(36);
    CHECK(cublasGemmEx(fixture.handle, CUBLAS_OP_T, CUBLAS_OP_N, 6, 6, 6, &alpha, fixture.device(a_bits),
                       type, 6, fixture.device(b_bits), type, 6, &beta, c, CUDA_R_32F, 6, CUBLAS_COMPUTE_32F,
                       CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
    CHECK(swag::test::relative_l2(fixture.host(c, 36), expected) <= 1e-6);
    auto* c_small = fixture.device_empty<uint16_t>(36);
    CHECK(cublasGemmEx(fixture.handle, CUBLAS_OP_T, CUBLAS_OP_N, 6, 6, 6, &alpha, fixture.device(a_bits),
                       type, 6, fixture.device(b_bits), type, 6, &beta, c_small, type, 6, CUBLAS_COMPUTE_32F,
                       CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
    std::vector<float> widened;
    for (const uint16_t bits : fixture.host(c_small, 36)) widened.push_back(widen(bits));
    CHECK(swag::test::relative_l2(widened, expected) <= tolerance);
    CHECK(swag::test::relative_l2(widened, expected) > 1e-6);  // it was rounded
  };
  check(CUDA_R_16F, emulator::round_to_bits<SmallFloat::kHalf>, emulator::bits_to_float<SmallFloat::kHalf>,
        0x1p-11);
  check(CUDA_R_16BF, emulator::round_to_bits<SmallFloat::kBfloat16>,
        emulator::bits_to_float<SmallFloat::kBfloat16>, 0x1p-8);
}

TEST_CASE("batches, by stride and by pointers, are so many products") {
  Fixture fixture;
  const auto a = random_vector<float>(24, 1), b = random_vector<float>(24, 2);
  const std::vector<float> zeros(18);
  const float alpha = 1, beta = 0;
  float *device_a = fixture.device(a), *device_b = fixture.device(b);
  auto* by_stride = fixture.device_empty<float>(18);
  auto* by_pointer = fixture.device_empty<float>(18);
  CHECK(cublasSgemmStridedBatched(fixture.handle, CUBLAS_OP_N, CUBLAS_OP_N, 3, 3, 4, &alpha, device_a, 3, 12,
                                  device_b, 4, 12, &beta, by_stride, 3, 9, 2) == CUBLAS_STATUS_SUCCESS);
  const auto list_a = fixture.device(std::vector<const float*>{device_a, device_a + 12});
  const auto list_b = fixture.device(std::vector<const float*>{device_b, device_b + 12});
  const auto list_c = fixture.device(std::vector<float*>{by_pointer, by_pointer + 9});
  CHECK(cublasSgemmBatched(fixture.handle, CUBLAS_OP_N, CUBLAS_OP_N, 3, 3, 4, &alpha, list_a, 3, list_b, 4,
                           &beta, list_c, 3, 2) == CUBLAS_STATUS_SUCCESS);
  for (const int i : {0, 1}) {
    const std::vector<float> a_i(a.begin() + 12 * i, a.begin() + 12 * i + 12),
        b_i(b.begin() + 12 * i, b.begin() + 12 * i + 12);
    const auto expected = product(false, false, 3, 3, 4, 1, a_i, 3, b_i, 4, 0, std::vector<float>(9), 3);
    CHECK(swag::test::relative_l2(fixture.host(by_stride + 9 * i, 9), expected) <= 1e-6);
    CHECK(swag::test::relative_l2(fixture.host(by_pointer + 9 * i, 9), expected) <= 1e-6);
  }
}

TEST_CASE("lists of matrices are read when the products run") {
  Fixture fixture;
  const auto a = random_vector<double>(9, 1);
  const double alpha = 1, beta = 0;
  const double* device_a = fixture.device(a);
  double* const c = fixture.device_empty<double>(9);
  auto* const list_a = fixture.device_empty<const double*>(1);
  auto* const list_c = fixture.device_empty<double*>(1);
  cudaStream_t stream;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  CHECK(cublasSetStream(fixture.handle, stream) == CUBLAS_STATUS_SUCCESS);
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  CHECK(cublasDgemmBatched(fixture.handle, CUBLAS_OP_N, CUBLAS_OP_N, 3, 3, 3, &alpha, list_a, 3, list_a, 3,
                           &beta, list_c, 3, 1) == CUBLAS_STATUS_SUCCESS);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  REQUIRE(cudaMemcpy(list_a, &device_a, sizeof device_a, cudaMemcpyHostToDevice) == cudaSuccess);
  REQUIRE(cudaMemcpy(list_c, &c, sizeof c, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaGraphLaunch(executable, stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  const auto expected = product(false, false, 3, 3, 3, 1, a, 3, a, 3, 0, std::vector<double>(9), 3);
  CHECK(swag::test::relative_l2(fixture.host(c, 9), expected) <= 1e-15);

  const double* const host = a.data();
  REQUIRE(cudaMemcpy(list_a, &host, sizeof host, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaGraphLaunch(executable, stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorIllegalAddress);
  CHECK(Fixture::take_count() == 1);
}

TEST_CASE("cublasSsyrk and cublasDsyrk write one triangle") {
  Fixture fixture;
  const auto a = random_vector<double>(20, 4);  // 4 x 5
  const auto full = product(false, true, 4, 4, 5, 1, a, 4, a, 4, 0, std::vector<double>(16), 4);
  const double alpha = 1, beta = 0;
  for (const cublasFillMode_t fill : {CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER}) {
    double* c = fixture.device(std::vector<double>(16, 7.0));
    CHECK(cublasDsyrk(fixture.handle, fill, CUBLAS_OP_N, 4, 5, &alpha, fixture.device(a), 4, &beta, c, 4) ==
          CUBLAS_STATUS_SUCCESS);
    const auto values = fixture.host(c, 16);
    for (int column = 0; column < 4; ++column) {
      for (int row = 0; row < 4; ++row) {
        const bool inside = fill == CUBLAS_FILL_MODE_LOWER ? row >= column : row <= column;
        CHECK(values[row + 4 * column] == doctest::Approx(inside ? full[row + 4 * column] : 7.0));
      }
    }
  }
  const float alpha_float = 1, beta_float = 0;
  auto* c = fixture.device_empty<float>(25);
  CHECK(cublasSsyrk(fixture.handle, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_T, 5, 4, &alpha_float,
                    fixture.device(swag::test::converted<float>(a)), 4, &beta_float, c,
                    5) == CUBLAS_STATUS_SUCCESS);
  double sum = 0;
  for (int i = 0; i < 4; ++i) sum += a[i] * a[4 + i];
  CHECK(fixture.host(c + 1, 1)[0] == doctest::Approx(sum));
  CHECK(cublasSsyrk(fixture.handle, CUBLAS_FILL_MODE_FULL, CUBLAS_OP_T, 5, 4, &alpha_float, c, 4, &beta_float,
                    c, 5) == CUBLAS_STATUS_INVALID_VALUE);
}

TEST_CASE("vectors: results go where the pointer mode says") {
  Fixture fixture;
  float* x = fixture.device(std::vector<float>{1, 2, 3, 4});
  float* y = fixture.device(std::vector<float>{1, 1, 2, 2});
  float result = 0;
  CHECK(cublasSdot(fixture.handle, 4, x, 1, y, 1, &result) == CUBLAS_STATUS_SUCCESS);
  CHECK(result == 17);
  CHECK(cublasSdot(fixture.handle, 2, x, 2, y, 2, &result) == CUBLAS_STATUS_SUCCESS);
  CHECK(result == 7);
  CHECK(cublasSnrm2(fixture.handle, 2, x + 2, 1, &result) == CUBLAS_STATUS_SUCCESS);
  CHECK(result == 5);
  double wide = 0;
  double* z = fixture.device(std::vector<double>{0.5, 4});
  CHECK(cublasDdot(fixture.handle, 2, z, 1, z, 1, &wide) == CUBLAS_STATUS_SUCCESS);
  CHECK(wide == 16.25);
  const float two = 2;
  CHECK(cublasSaxpy(fixture.handle, 4, &two, x, 1, y, 1) == CUBLAS_STATUS_SUCCESS);
  CHECK(cublasSscal(fixture.handle, 2, &two, y, 2) == CUBLAS_STATUS_SUCCESS);
  CHECK(fixture.host(y, 4) == std::vector<float>{6, 5, 16, 10});

  CHECK(cublasSdot(fixture.handle, 4, x, 1, y, 1, y) ==
        CUBLAS_STATUS_INVALID_VALUE);  // host mode, device pointer
  CHECK(Fixture::take_count() == 1);
  CHECK(cublasSetPointerMode(fixture.handle, CUBLAS_POINTER_MODE_DEVICE) == CUBLAS_STATUS_SUCCESS);
  auto* device_result = fixture.device_empty<float>(1);
  CHECK(cublasSdot(fixture.handle, 4, x, 1, x, 1, device_result) == CUBLAS_STATUS_SUCCESS);
  CHECK(fixture.host(device_result, 1)[0] == 30);
  CHECK(cublasSscal(fixture.handle, 4, device_result, x, 1) == CUBLAS_STATUS_SUCCESS);
  CHECK(fixture.host(x, 1)[0] == 30);
  CHECK(cublasSscal(fixture.handle, 4, &two, x, 1) == CUBLAS_STATUS_EXECUTION_FAILED);
  CHECK(Fixture::take_count() == 1);
}

TEST_CASE("cuBLAS refuses what cuBLAS refuses, and bad operands are found") {
  Fixture fixture;
  const float one = 1, zero = 0;
  float* x = fixture.device(std::vector<float>(16, 1.0f));
  auto* unwritten = fixture.device_empty<float>(16);
  const auto call = [&](int m, int lda, const float* a, const float* alpha, float* c) {
    return cublasSgemm(fixture.handle, CUBLAS_OP_N, CUBLAS_OP_N, m, 4, 4, alpha, a, lda, x, 4, &zero, c, 4);
  };
  auto* c = fixture.device_empty<float>(16);
  CHECK(call(4, 4, x, &one, c) == CUBLAS_STATUS_SUCCESS);
  CHECK(call(-1, 4, x, &one, c) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(call(4, 3, x, &one, c) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(call(4, 4, x, nullptr, c) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(call(0, 4, x, &one, c) == CUBLAS_STATUS_SUCCESS);
  CHECK(Fixture::take_count() == 0);
  CHECK(call(4, 4, x + 1, &one, c) == CUBLAS_STATUS_EXECUTION_FAILED);
  CHECK(Fixture::take_count() == 1);
  CHECK(call(4, 4, unwritten, &one, c) == CUBLAS_STATUS_SUCCESS);
  CHECK(Fixture::take_count() == 1);
  const std::vector<float> host(16);
  CHECK(call(4, 4, host.data(), &one, c) == CUBLAS_STATUS_EXECUTION_FAILED);
  CHECK(Fixture::take_count() == 1);
  CHECK(cublasGemmEx(fixture.handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, x, CUDA_R_32F, 4, x, CUDA_R_16F,
                     4, &zero, c, CUDA_R_32F, 4, CUBLAS_COMPUTE_32F,
                     CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(cublasSgemm(nullptr, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, x, 4, x, 4, &zero, c, 4) ==
        CUBLAS_STATUS_NOT_INITIALIZED);
  CHECK(std::string(cublasGetStatusName(CUBLAS_STATUS_NOT_SUPPORTED)) == "CUBLAS_STATUS_NOT_SUPPORTED");
}
