#include "interposer/array_copy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/capture.h"
#include "interposer/check.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer {
namespace {

constexpr size_t kPiece = 256u << 10;  // a multiple of every element's size

// Where a row of the host's side lies.
std::byte* row_of(const void* host, size_t x, size_t y, size_t z, size_t pitch, size_t height) {
  return static_cast<std::byte*>(const_cast<void*>(host)) + x + (y + z * height) * pitch;
}

// The part of a copy that is rows [y, y + rows) of slice z, from byte x on.
CUDA_MEMCPY3D part(const CUDA_MEMCPY3D& copy, size_t x, size_t y, size_t z, size_t width, size_t rows) {
  CUDA_MEMCPY3D piece = copy;
  piece.srcXInBytes += x;
  piece.dstXInBytes += x;
  piece.srcY += y;
  piece.dstY += y;
  piece.srcZ += z;
  piece.dstZ += z;
  piece.WidthInBytes = width;
  piece.Height = rows;
  piece.Depth = 1;
  return piece;
}

// Calls `move(piece, x, y, z)` for pieces that fit a frame, in order.
template <typename Move>
CUresult each_piece(const CUDA_MEMCPY3D& copy, Move move) {
  const size_t width = std::min(copy.WidthInBytes, kPiece), most_rows = kPiece / width;
  for (size_t z = 0; z < copy.Depth; ++z) {
    for (size_t y = 0; y < copy.Height; y += most_rows) {
      const size_t rows = std::min(most_rows, copy.Height - y);
      for (size_t x = 0; x < copy.WidthInBytes; x += width) {
        const size_t length = std::min(width, copy.WidthInBytes - x);
        if (CUresult error = move(part(copy, x, y, z, length, rows), x, y, z)) return error;
      }
    }
  }
  return CUDA_SUCCESS;
}

// What travels has no addresses of this process and no handles.
CUDA_MEMCPY3D plain(CUDA_MEMCPY3D copy) {
  copy.srcHost = nullptr;
  copy.dstHost = nullptr;
  copy.srcArray = nullptr;
  copy.dstArray = nullptr;
  copy.reserved0 = nullptr;
  copy.reserved1 = nullptr;
  return copy;
}

CUresult from_host(const Caller& at, uint64_t stream, const CUDA_MEMCPY3D& copy) {
  const size_t pitch = copy.srcPitch ? copy.srcPitch : copy.srcXInBytes + copy.WidthInBytes;
  std::vector<std::byte> packed(kPiece);
  return each_piece(copy, [&](const CUDA_MEMCPY3D& piece, size_t x, size_t y, size_t z) {
    for (size_t row = 0; row < piece.Height; ++row) {
      const auto* from = row_of(copy.srcHost, copy.srcXInBytes + x, copy.srcY + y + row, copy.srcZ + z, pitch, copy.srcHeight);
      std::memcpy(packed.data() + row * piece.WidthInBytes, from, piece.WidthInBytes);
    }
    return remote::CopyToArray(at, stream, to_name(copy.dstArray), plain(piece), {packed.data(), piece.WidthInBytes * piece.Height});
  });
}

CUresult to_host(const Caller& at, uint64_t stream, const CUDA_MEMCPY3D& copy) {
  const size_t pitch = copy.dstPitch ? copy.dstPitch : copy.dstXInBytes + copy.WidthInBytes;
  return each_piece(copy, [&](const CUDA_MEMCPY3D& piece, size_t x, size_t y, size_t z) -> CUresult {
    transport::Reply reply;
    if (CUresult error = remote::CopyFromArray(at, stream, to_name(copy.srcArray), plain(piece), reply)) return error;
    wire::Reader in = reply.in();
    for (size_t row = 0; row < piece.Height; ++row) {
      const auto bytes = in.bytes(piece.WidthInBytes);
      if (!in.ok()) return CUDA_ERROR_DEVICE_UNAVAILABLE;
      auto* to = row_of(copy.dstHost, copy.dstXInBytes + x, copy.dstY + y + row, copy.dstZ + z, pitch, copy.dstHeight);
      std::memcpy(to, bytes.data(), bytes.size());
    }
    return CUDA_SUCCESS;
  });
}

CUresult name_array(CUmemorytype type, CUarray array, uint64_t* name) {
  *name = type == CU_MEMORYTYPE_ARRAY ? to_name(array) : 0;
  return !*name && type != CU_MEMORYTYPE_ARRAY             ? CUDA_SUCCESS
         : handles().valid(to_name(array), Handle::kArray) ? CUDA_SUCCESS
                                                           : CUDA_ERROR_INVALID_HANDLE;
}

CUmemorytype side(CUmemorytype said, CUdeviceptr address) {
  if (said != CU_MEMORYTYPE_UNIFIED) return said;
  return ranges().on_device(address) ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
}

}  // namespace

CUresult copy_with_array(const Caller& at, uint64_t stream, const CUDA_MEMCPY3D& wanted, bool waits) {
  CUDA_MEMCPY3D copy = wanted;
  copy.srcMemoryType = side(wanted.srcMemoryType, wanted.srcDevice);
  copy.dstMemoryType = side(wanted.dstMemoryType, wanted.dstDevice);
  if (wanted.srcMemoryType == CU_MEMORYTYPE_UNIFIED) copy.srcHost = reinterpret_cast<const void*>(wanted.srcDevice);
  if (wanted.dstMemoryType == CU_MEMORYTYPE_UNIFIED) copy.dstHost = reinterpret_cast<void*>(wanted.dstDevice);
  uint64_t source, destination;
  if (CUresult error = name_array(copy.srcMemoryType, copy.srcArray, &source)) return error;
  if (CUresult error = name_array(copy.dstMemoryType, copy.dstArray, &destination)) return error;
  if (!copy.WidthInBytes || !copy.Height || !copy.Depth) return CUDA_SUCCESS;
  const bool host = copy.srcMemoryType == CU_MEMORYTYPE_HOST || copy.dstMemoryType == CU_MEMORYTYPE_HOST;
  if (host && capturing(at, stream)) {
    log_refusal("a copy between host memory and an array", "such copies are not captured");
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  if (copy.srcMemoryType == CU_MEMORYTYPE_HOST && !copy.srcHost) return CUDA_ERROR_INVALID_VALUE;
  if (copy.dstMemoryType == CU_MEMORYTYPE_HOST && !copy.dstHost) return CUDA_ERROR_INVALID_VALUE;
  if (copy.dstMemoryType == CU_MEMORYTYPE_HOST) return settle(at, to_host(at, stream, copy));
  CUresult status = copy.srcMemoryType == CU_MEMORYTYPE_HOST ? from_host(at, stream, copy)
                                                             : remote::CopyShaped(at, stream, source, destination, plain(copy));
  // A blocking copy says at once what is wrong with it; the server checks the shape against the array's.
  if (status == CUDA_SUCCESS && waits) status = settle(at, remote::cuStreamSynchronize(at, stream));
  return status;
}

}  // namespace bitfusion::interposer
