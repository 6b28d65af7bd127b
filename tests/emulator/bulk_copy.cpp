// Bulk copies and copies of boxes of a tensor: lists of pieces that wait until somebody waits for their
// mbarrier. Rules of tensor maps are those that cuda.h states for cuTensorMapEncodeTiled.
#include <cstring>

#include "tests/emulator/async_proxy.h"
#include "tests/emulator/include/cuda.h"
#include "tests/emulator/include/cuda_runtime_api.h"
#include "tests/emulator/runtime.h"

namespace emulator {
namespace {

constexpr unsigned kRank = 3, kChunk = 16;
constexpr unsigned kMostBox = 256, kMostStride = 8;
constexpr uint64_t kMapMark = 0x5377616754696c65;

/// What is in a CUtensorMap here.
struct TiledMap {
  uint64_t mark;
  uintptr_t address;
  uint64_t size[kRank], stride[kRank];              // elements; bytes
  uint32_t element_bytes, box[kRank], step[kRank];  // box: elements that a copy brings
  uint32_t swizzled;
};
static_assert(sizeof(TiledMap) <= sizeof(CUtensorMap));

unsigned element_bytes(CUtensorMapDataType type) {
  switch (type) {
    case CU_TENSOR_MAP_DATA_TYPE_UINT8: return 1;
    case CU_TENSOR_MAP_DATA_TYPE_UINT16:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16: return 2;
    case CU_TENSOR_MAP_DATA_TYPE_UINT64:
    case CU_TENSOR_MAP_DATA_TYPE_INT64:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT64: return 8;
    default: return 4;
  }
}

CUresult encode_tiled(CUtensorMap* out, CUtensorMapDataType type, cuuint32_t rank, void* address,
                      const cuuint64_t* size, const cuuint64_t* strides, const cuuint32_t* box,
                      const cuuint32_t* steps, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                      CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill) {
  const bool known = rank == kRank && interleave == CU_TENSOR_MAP_INTERLEAVE_NONE &&
                     fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE &&
                     (swizzle == CU_TENSOR_MAP_SWIZZLE_NONE || swizzle == CU_TENSOR_MAP_SWIZZLE_128B);
  if (!known || reinterpret_cast<uintptr_t>(address) % kChunk != 0) return CUDA_ERROR_INVALID_VALUE;
  TiledMap map{};
  map.mark = kMapMark;
  map.address = reinterpret_cast<uintptr_t>(address);
  map.element_bytes = element_bytes(type);
  map.swizzled = swizzle == CU_TENSOR_MAP_SWIZZLE_128B;
  for (unsigned i = 0; i < kRank; ++i) {
    const bool inside = size[i] > 0 && size[i] <= uint64_t{1} << 32 && box[i] > 0 && box[i] <= kMostBox &&
                        steps[i] > 0 && steps[i] <= kMostStride;
    if (!inside) return CUDA_ERROR_INVALID_VALUE;
    map.size[i] = size[i];
    map.stride[i] = i == 0 ? map.element_bytes : strides[i - 1];
    if (i > 0 && (map.stride[i] % kChunk != 0 || map.stride[i] >= uint64_t{1} << 40)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    map.step[i] = i == 0 ? 1 : steps[i];
    map.box[i] = (box[i] + map.step[i] - 1) / map.step[i];
  }
  const unsigned row = map.box[0] * map.element_bytes;
  if (row % kChunk != 0 || (map.swizzled && row > 128)) return CUDA_ERROR_INVALID_VALUE;
  static_assert(std::is_trivially_copyable_v<TiledMap>);
  *out = CUtensorMap();
  std::memcpy(out, &map, sizeof map);
  return CUDA_SUCCESS;
}

void issue_copy(BulkCopy copy) {
  AsyncProxy& async = async_proxy();
  if (watch.check) {
    check_bulk_barrier(copy.barrier, copy.site);
    check_bulk_begins(copy);
  }
  async.copies.push_back(std::move(copy));
}

BulkCopy new_copy(uint64_t* barrier, const void* site) {
  BulkCopy copy;
  copy.barrier = barrier;
  copy.thread = running.thread->linear;
  copy.site = site;
  return copy;
}

}  // namespace

void bulk_copy(void* to_shared, const void* from, unsigned bytes, uint64_t* barrier) noexcept {
  const void* const site = __builtin_return_address(0);
  require_aligned(to_shared, kChunk, AccessKind::kWrite, site);
  require_aligned(from, kChunk, AccessKind::kRead, site);
  if (bytes % kChunk != 0) {
    report_bad_operand(reinterpret_cast<uintptr_t>(to_shared), bytes, site, "bytes must be a multiple of 16");
  }
  require_shared(to_shared, bytes, AccessKind::kWrite, site);
  BulkCopy copy = new_copy(barrier, site);
  copy.pieces.push_back({to_shared, from, bytes});
  issue_copy(std::move(copy));
}

void tensor_copy(void* to_shared, const void* tensor_map, const int (&start)[3], uint64_t* barrier) noexcept {
  const void* const site = __builtin_return_address(0);
  TiledMap map;
  std::memcpy(&map, tensor_map, sizeof map);
  if (map.mark != kMapMark) {
    report_bad_operand(reinterpret_cast<uintptr_t>(to_shared), 1, site, "the tensor map was not encoded");
  }
  require_aligned(to_shared, 128, AccessKind::kWrite, site);
  const unsigned row_bytes = map.box[0] * map.element_bytes;
  require_shared(to_shared, size_t{row_bytes} * map.box[1] * map.box[2], AccessKind::kWrite, site);
  BulkCopy copy = new_copy(barrier, site);
  auto to = reinterpret_cast<uintptr_t>(to_shared);
  for (unsigned z = 0; z < map.box[2]; ++z) {
    for (unsigned y = 0; y < map.box[1]; ++y) {
      const int64_t row[2] = {int64_t{start[1]} + y * map.step[1], int64_t{start[2]} + z * map.step[2]};
      const bool inside = row[0] >= 0 && row[1] >= 0 && static_cast<uint64_t>(row[0]) < map.size[1] &&
                          static_cast<uint64_t>(row[1]) < map.size[2];
      const uintptr_t from = map.address + static_cast<uint64_t>(row[0]) * map.stride[1] +
                             static_cast<uint64_t>(row[1]) * map.stride[2];
      // A chunk at a time; where one hangs over the edge, an element.
      for (unsigned byte = 0; byte < row_bytes;) {
        const auto size = static_cast<int64_t>(map.size[0]);
        const int64_t x = int64_t{start[0]} + byte / map.element_bytes, end = x + kChunk / map.element_bytes;
        const bool chunk = !inside || (x >= 0 && end <= size) || x >= size || end <= 0;
        const uintptr_t place = map.swizzled ? (to + byte) ^ ((to + byte) >> 3 & 0x70) : to + byte;
        BulkCopy::Piece piece;
        piece.to = reinterpret_cast<void*>(place);
        if (inside && x >= 0 && x < size) {
          piece.from = reinterpret_cast<const void*>(from + static_cast<uint64_t>(x) * map.element_bytes);
        }
        piece.bytes = chunk && byte % kChunk == 0 ? kChunk : map.element_bytes;
        copy.pieces.push_back(piece);
        byte += piece.bytes;
      }
      to += row_bytes;
    }
  }
  issue_copy(std::move(copy));
}

}  // namespace emulator

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long, cudaDriverEntryPointQueryResult* result) {
  if (const cudaError_t error = emulator::begin_call()) return error;
  if (!symbol || !function) return emulator::fail(cudaErrorInvalidValue);
  const bool known = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *function = known ? reinterpret_cast<void*>(emulator::encode_tiled) : nullptr;
  if (result) *result = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
