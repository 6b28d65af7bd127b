// The Gram matrix on tensor cores, against its definition in double of the operands that it reads.
#include "src/backend/cuda_gram.h"
#include "tests/cuda/tf32.h"
#include "tests/kernels/gram_cases.h"

namespace swag {
namespace {

using cuda::TensorUnits;
using test::DeviceBuffer;
using test::naive_gram;
using test::random_vector;
using test::relative_l2;
using test::rounded;
using test::same_bytes;
using test::Workspace;
using test::worst_element;

using Floats = std::vector<float>;

Tf32* stored(DeviceBuffer<float>& buffer) { return reinterpret_cast<Tf32*>(buffer.data()); }

/// An H100's, or so few processors that nothing is split.
TensorUnits units_of(int processors) {
  TensorUnits units;
  units.processors = processors;
  units.shared_bytes = 227 << 10;
  units.processor_shared_bytes = 228 << 10;
  return units;
}

GramParams params_of(const Shape& map) { return {map.pixels(), map.c}; }

std::vector<double> gram(const Floats& s, const Shape& map, const TensorUnits& units) {
  DeviceBuffer<float> device_s(s);
  Workspace workspace(cuda::gram_workspace_bytes(params_of(map), units));
  DeviceBuffer<double> a(int64_t{map.c} * map.c);
  cuda::gram_forward(a.data(), stored(device_s), workspace.data(), params_of(map), units, Stream{});
  CHECK((a.intact() && workspace.intact()));
  return a.values();
}

const Shape kMaps[] = {{1, 1, 64}, {9, 13, 64}, {40, 37, 128}, {5, 8, 192}, {6, 10, 320}};

}  // namespace

TEST_CASE(
    "cuda Gram matrix on tensor cores agrees with its definition, is symmetric, and is the same twice") {
  REQUIRE_DEVICE();
  for (const Shape& map : kMaps) {
    CAPTURE(map.h);
    CAPTURE(map.c);
    const Floats s = rounded(random_vector<float>(map.pixels() * map.c, 1, -0.5, 2));
    for (const int processors : {1, 132}) {
      CAPTURE(processors);
      const std::vector<double> a = gram(s, map, units_of(processors));
      CHECK_FALSE(!(worst_element(a, naive_gram(s, params_of(map))) <= 2e-6));
      for (int i = 0; i < map.c; ++i) {
        for (int j = 0; j < i; ++j) REQUIRE(a[i * map.c + j] == a[j * map.c + i]);
      }
      CHECK(same_bytes(a, gram(s, map, units_of(processors))));
    }
  }
}

TEST_CASE("cuda Gram matrix on tensor cores sums a long map of one sign as exactly as float can") {
  REQUIRE_DEVICE();
  const Shape map{64, 96, 64};
  const Floats s = rounded(random_vector<float>(map.pixels() * map.c, 2, 0.5, 1));
  CHECK_FALSE(!(worst_element(gram(s, map, units_of(1)), naive_gram(s, params_of(map))) <= 1e-6));
}

TEST_CASE("cuda Gram matrix's way back on tensor cores is a product that is rounded once") {
  REQUIRE_DEVICE();
  for (const Shape& map : kMaps) {
    CAPTURE(map.c);
    const int64_t m = map.pixels();
    const int d = map.c;
    const double factor = 0.37;
    const Floats s = rounded(random_vector<float>(m * d, 3)),
                 before = rounded(random_vector<float>(m * d, 4));
    Floats difference = random_vector<float>(int64_t{d} * d, 5);
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < i; ++j) difference[i * d + j] = difference[j * d + i];
    }
    const std::vector<double> offset = random_vector<double>(d, 6);
    Floats scaled = difference;
    for (float& value : scaled) value *= static_cast<float>(factor);
    scaled = rounded(scaled);
    for (const bool whole : {false, true}) {  // with offset and accumulation
      std::vector<double> expected(static_cast<size_t>(m * d));
      for (int64_t i = 0; i < m; ++i) {
        for (int j = 0; j < d; ++j) {
          double sum = whole ? factor * offset[j] + double{before[i * d + j]} : 0;
          for (int k = 0; k < d; ++k) sum += double{s[i * d + k]} * scaled[int64_t{k} * d + j];
          expected[i * d + j] = sum;
        }
      }
      const TensorUnits plain = units_of(132);
      TensorUnits units = plain;
      DeviceBuffer<uint32_t> counters(std::vector<uint32_t>(cuda::kTensorCounters, 0));
      units.counters = counters.data();
      DeviceBuffer<float> device_s(s), ds(before), device_difference(difference);
      const DeviceBuffer<double> device_offset(offset);
      Workspace workspace(gram_product_workspace_bytes(map, units));
      gram_product({ds.data(), DType::kTf32, map}, {device_s.data(), DType::kTf32, map},
                   device_difference.data(), whole ? device_offset.data() : nullptr, factor, whole,
                   workspace.data(), units, Stream{});
      CHECK((ds.intact() && workspace.intact()));
      CHECK_FALSE(!(relative_l2(ds.values(), expected) <= 3e-4));  // 2^-12 of each element
      CHECK(same_bytes(ds.values(), rounded(ds.values())));
    }
  }
}

}  // namespace swag
