// The Gram matrix on tensor cores, against its definition in double of the operands that it reads.
#include "src/backend/cuda_gram.h"
#include "tests/cuda/stored.h"
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
using test::StoredMap;
using test::Workspace;
using test::worst_element;

using Floats = std::vector<float>;

constexpr DType kTypes[] = {DType::kTf32, DType::kFloat16};

/// An H100's, or so few processors that nothing is split.
TensorUnits units_of(int processors) {
  TensorUnits units;
  units.processors = processors;
  units.shared_bytes = 227 << 10;
  units.processor_shared_bytes = 228 << 10;
  return units;
}

GramParams params_of(const Shape& map) { return {map.pixels(), map.c}; }

std::vector<double> gram(const Floats& s, DType type, const Shape& map, const TensorUnits& units,
                         double scale = 1) {
  StoredMap device_s(s, type);
  Workspace workspace(cuda::gram_workspace_bytes(params_of(map), units));
  DeviceBuffer<double> a(int64_t{map.c} * map.c);
  GramParams params = params_of(map);
  params.scale = scale;
  if (type == DType::kFloat16) {
    cuda::gram_forward(a.data(), device_s.as<Float16>(), workspace.data(), params, units, Stream{});
  } else {
    cuda::gram_forward(a.data(), device_s.as<Tf32>(), workspace.data(), params, units, Stream{});
  }
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
    for (const DType type : kTypes) {
      const Floats s = rounded(random_vector<float>(map.pixels() * map.c, 1, -0.5, 2), type);
      for (const int processors : {1, 132}) {
        CAPTURE(processors);
        const std::vector<double> a = gram(s, type, map, units_of(processors));
        CHECK_FALSE(!(worst_element(a, naive_gram(s, params_of(map))) <= 2e-6));
        for (int i = 0; i < map.c; ++i) {
          for (int j = 0; j < i; ++j) REQUIRE(a[i * map.c + j] == a[j * map.c + i]);
        }
        CHECK(same_bytes(a, gram(s, type, map, units_of(processors))));
      }
    }
  }
}

TEST_CASE("cuda Gram matrix on tensor cores sums a long map of one sign as exactly as float can") {
  REQUIRE_DEVICE();
  const Shape map{64, 96, 64};
  for (const DType type : kTypes) {
    const Floats s = rounded(random_vector<float>(map.pixels() * map.c, 2, 0.5, 1), type);
    CHECK_FALSE(!(worst_element(gram(s, type, map, units_of(1)), naive_gram(s, params_of(map))) <= 1e-6));
  }
}

TEST_CASE("cuda Gram matrix on tensor cores is that of what is stored times its scale") {
  REQUIRE_DEVICE();
  const Shape map{5, 7, 64};
  const Floats s = rounded(random_vector<float>(map.pixels() * map.c, 7), DType::kFloat16);
  std::vector<double> expected = gram(s, DType::kFloat16, map, units_of(1));
  for (double& value : expected) value *= 64;
  CHECK(gram(s, DType::kFloat16, map, units_of(1), 8) == expected);
}

namespace {

/// What the difference is read as, times a factor: in 16 bits rounded under a power of two.
Floats read_difference(const Floats& difference, float factor, DType type) {
  Floats read = difference;
  if (type == DType::kTf32) {
    for (float& value : read) value *= factor;
    return rounded(read, type);
  }
  float largest = 0;
  for (const float value : difference) largest = std::max(largest, std::abs(value));
  int exponent = 0;
  std::frexp(largest, &exponent);
  for (float& value : read) value = std::ldexp(value, 10 - exponent);
  read = rounded(read, type);
  for (float& value : read) value = std::ldexp(value, exponent - 10) * factor;
  return read;
}

}  // namespace

TEST_CASE("cuda Gram matrix's way back as a convolution is a product that is rounded once") {
  REQUIRE_DEVICE();
  const Shape odd{6, 7, 48};  // which the float units do, in 16 bits
  for (const DType type : kTypes) {
    const DType to = type == DType::kFloat16 ? DType::kBFloat16 : type;
    const double scale = type == DType::kFloat16 ? 0.25 : 1;
    std::vector<Shape> maps(std::begin(kMaps), std::end(kMaps));
    if (type == DType::kFloat16) maps.push_back(odd);
    for (const Shape& map : maps) {
      CAPTURE(map.c);
      CAPTURE(static_cast<int>(type));
      const int64_t m = map.pixels();
      const int d = map.c;
      const double factor = 0.37;
      const Floats s = rounded(random_vector<float>(m * d, 3), type),
                   before = rounded(random_vector<float>(m * d, 4), to);
      // Of a size that would overflow in 16 bits, or vanish.
      const float size = d == 64 ? 1e6f : d == 128 ? 1e-9f : 1;
      Floats difference = random_vector<float>(int64_t{d} * d, 5);
      for (float& value : difference) value *= size;
      for (int i = 0; i < d; ++i) {
        for (int j = 0; j < i; ++j) difference[i * d + j] = difference[j * d + i];
      }
      const std::vector<double> offset = random_vector<double>(d, 6);
      const auto whole_factor = static_cast<float>(factor * scale);
      Floats scaled = difference;
      for (float& value : scaled) value *= whole_factor;
      if (d % 64 == 0) scaled = read_difference(difference, whole_factor, type);
      for (const bool whole : {false, true}) {  // with offset and accumulation
        std::vector<double> expected(static_cast<size_t>(m * d));
        for (int64_t i = 0; i < m; ++i) {
          for (int j = 0; j < d; ++j) {
            double sum = whole ? factor * offset[j] + double{before[i * d + j]} : 0;
            for (int k = 0; k < d; ++k) sum += double{s[i * d + k]} * scaled[int64_t{k} * d + j];
            expected[i * d + j] = sum;
          }
        }
        TensorUnits units = units_of(132);
        DeviceBuffer<uint32_t> counters(std::vector<uint32_t>(cuda::kTensorCounters, 0));
        units.counters = counters.data();
        StoredMap device_s(s, type), ds(before, to);
        DeviceBuffer<float> device_difference(difference);
        const DeviceBuffer<double> device_offset(offset);
        Workspace workspace(gram_product_workspace_bytes(map, units));
        Tensor view(device_s.data(), type, map);
        view.scale = scale;
        gram_product({ds.data(), to, map}, view, device_difference.data(),
                     whole ? device_offset.data() : nullptr, factor, whole, workspace.data(), units,
                     Stream{});
        CHECK((ds.intact() && workspace.intact()));
        CHECK(counters.values() == std::vector<uint32_t>(cuda::kTensorCounters, 0));
        const double rounding = to == DType::kBFloat16 ? 2.2e-3 : 3e-4;  // of each element
        CHECK_FALSE(!(relative_l2(ds.values(), expected) <= rounding));
        CHECK(same_bytes(ds.values(), rounded(ds.values(), to)));
      }
    }
  }
}

}  // namespace swag
