// Copies. Each is reduced to one of: bytes to the device, bytes from the device, device to device, host to host.
#include <cstring>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/array_copy.h"
#include "interposer/capture.h"
#include "interposer/check.h"
#include "interposer/coherent.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer::api {
namespace {

using transport::CopyMode;

enum class Wait : bool { kNo, kYes };

// A stream that is being captured takes no host copies yet: their bytes would have to travel at every launch of the graph.
CUresult refuse_capture(const char* call) {
  log_refusal(call, "copies of host memory are not captured yet");
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

bool pinned(uint64_t address) {
  Range range;
  return ranges().find(address, &range) && !range.on_device();
}

// The part of a device range that a copy may touch, or null when it leaves it.
bool inside(uint64_t address, uint64_t size) {
  Range range;
  return ranges().find(address, &range) && range.on_device() && size <= range.base + range.size - address;
}

CUresult to_device(const Caller& at, uint64_t stream, uint64_t device, const void* host, size_t size, Wait wait) {
  if (!inside(device, size)) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = coherent().before_work(at, stream)) return error;
  const bool stays = pinned(to_name(host));
  // From pageable memory a plain copy too may return once the bytes have been taken: that is all the driver promises.
  const CopyMode mode = !stays ? CopyMode::kPageable : wait == Wait::kYes ? CopyMode::kBlocking : CopyMode::kPinned;
  return static_cast<CUresult>(at.link->copy_in(at.context, stream, device, host, size, mode));
}

CUresult from_device(const Caller& at, uint64_t stream, void* host, uint64_t device, size_t size, Wait wait) {
  if (!inside(device, size)) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = coherent().before_work(at, stream)) return error;
  const CopyMode mode = wait == Wait::kYes ? CopyMode::kBlocking : pinned(to_name(host)) ? CopyMode::kPinned : CopyMode::kPageable;
  return settle(at, static_cast<CUresult>(at.link->copy_out(at.context, stream, host, device, size, mode)));
}

CUresult on_device(const Caller& at, uint64_t stream, uint64_t destination, uint64_t source, size_t size) {
  if (!inside(destination, size) || !inside(source, size)) return CUDA_ERROR_INVALID_VALUE;
  return remote::cuMemcpyDtoDAsync_v2(at, destination, source, size, stream);
}

CUresult on_host(const Caller& at, uint64_t stream, uint64_t destination, uint64_t source, size_t size) {
  const CUresult status = settle(at, remote::cuStreamSynchronize(at, stream));
  if (status == CUDA_SUCCESS) std::memmove(reinterpret_cast<void*>(destination), reinterpret_cast<const void*>(source), size);
  return status;
}

enum class Side : uint8_t { kHost, kDevice, kEither };

Side side_of(uint64_t address, Side said) {
  return said == Side::kEither ? (ranges().on_device(address) ? Side::kDevice : Side::kHost) : said;
}

struct Linear {
  uint64_t destination;
  uint64_t source;
  size_t size;
  Side destination_side = Side::kEither;
  Side source_side = Side::kEither;
};

CUresult start(CUstream stream, bool reports, Caller* at, uint64_t* name) {
  if (CUresult error = enter(Scope::kContext, reports, at)) return error;
  return name_stream(*at, stream, name) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult copy_linear(const Caller& at, uint64_t stream, const Linear& copy, Wait wait) {
  if (!copy.size) return CUDA_SUCCESS;
  const Side to = side_of(copy.destination, copy.destination_side), from = side_of(copy.source, copy.source_side);
  if (to == Side::kDevice && from == Side::kDevice) return on_device(at, stream, copy.destination, copy.source, copy.size);
  if (capturing(at, stream)) return refuse_capture("a copy of host memory");
  if (to == Side::kDevice) return to_device(at, stream, copy.destination, reinterpret_cast<const void*>(copy.source), copy.size, wait);
  if (from == Side::kDevice) return from_device(at, stream, reinterpret_cast<void*>(copy.destination), copy.source, copy.size, wait);
  return on_host(at, stream, copy.destination, copy.source, copy.size);
}

// A blocking copy may have written memory that the application reads next.
CUresult arrive(const Caller& at, uint64_t stream, CUresult status, Wait wait) {
  if (status != CUDA_SUCCESS || wait == Wait::kNo || !coherent().any()) return status;
  return settle(at, remote::cuStreamSynchronize(at, stream), stream);
}

CUresult copy(CUstream stream, const Linear& linear, Wait wait) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, wait == Wait::kYes, &at, &name)) return error;
  if (linear.size && (!linear.destination || !linear.source)) return CUDA_ERROR_INVALID_VALUE;
  return arrive(at, name, copy_linear(at, name, linear, wait), wait);
}

// One side of a box copy.
struct Corner {
  uint64_t address;  // of the first byte copied
  uint64_t pitch, height;
  Side side;
};

CUresult corner(CUmemorytype type, uint64_t host, uint64_t device, uint64_t x, uint64_t y, uint64_t z, uint64_t pitch, uint64_t height,
                uint64_t width, Corner* out) {
  if (type != CU_MEMORYTYPE_HOST && type != CU_MEMORYTYPE_DEVICE && type != CU_MEMORYTYPE_UNIFIED) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t base = type == CU_MEMORYTYPE_HOST ? host : device;
  out->pitch = pitch ? pitch : x + width;
  out->height = height;
  if (!base || out->pitch < x + width) return CUDA_ERROR_INVALID_VALUE;
  out->address = base + x + (y + z * height) * out->pitch;
  out->side = side_of(base, type == CU_MEMORYTYPE_HOST ? Side::kHost : type == CU_MEMORYTYPE_DEVICE ? Side::kDevice : Side::kEither);
  return CUDA_SUCCESS;
}

struct Box {
  Corner source, destination;
  uint64_t width, height, depth;
};

bool one_piece(const Corner& side, const Box& box) {
  return (side.pitch == box.width || box.height == 1) && (side.height == box.height || box.depth == 1 || side.height == 0);
}

CUresult copy_rows(const Caller& at, uint64_t stream, const Box& box, Wait wait) {
  const bool arrives = box.destination.side == Side::kHost && box.source.side == Side::kDevice;
  for (uint64_t z = 0; z < box.depth; ++z) {
    for (uint64_t y = 0; y < box.height; ++y) {
      const uint64_t to = box.destination.address + (y + z * box.destination.height) * box.destination.pitch;
      const uint64_t from = box.source.address + (y + z * box.source.height) * box.source.pitch;
      CUresult error;
      if (!arrives) {
        error = copy_linear(at, stream, {to, from, box.width, box.destination.side, box.source.side}, Wait::kNo);
      } else if (!inside(from, box.width)) {
        error = CUDA_ERROR_INVALID_VALUE;
      } else {  // the rows are under way together; one wait follows
        error =
            static_cast<CUresult>(at.link->copy_out(at.context, stream, reinterpret_cast<void*>(to), from, box.width, CopyMode::kPinned));
      }
      if (error) return error;
    }
  }
  const bool must_wait =
      arrives ? wait == Wait::kYes || !pinned(box.destination.address) : wait == Wait::kYes && pinned(box.source.address);
  return must_wait ? settle(at, remote::cuStreamSynchronize(at, stream)) : CUDA_SUCCESS;
}

CUresult copy_box(CUstream stream, const Box& box, Wait wait) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, wait == Wait::kYes, &at, &name)) return error;
  if (!box.width || !box.height || !box.depth) return CUDA_SUCCESS;
  if (one_piece(box.source, box) && one_piece(box.destination, box)) {
    const size_t size = box.width * box.height * box.depth;
    return copy_linear(at, name, {box.destination.address, box.source.address, size, box.destination.side, box.source.side}, wait);
  }
  if (box.source.side == Side::kDevice && box.destination.side == Side::kDevice) {
    const Corner &from = box.source, &to = box.destination;
    return remote::Copy3D(at, name,
                          {from.address, from.pitch, from.height, to.address, to.pitch, to.height, box.width, box.height, box.depth});
  }
  if (capturing(at, name)) return refuse_capture("a pitched copy of host memory");
  return copy_rows(at, name, box, wait);
}

// A box of CUDA_MEMCPY2D, CUDA_MEMCPY3D or CUDA_MEMCPY3D_PEER in one form: they name their fields alike.
template <typename Copy>
CUDA_MEMCPY3D as_3d(const Copy& p) {
  CUDA_MEMCPY3D copy = {};
  copy.srcXInBytes = p.srcXInBytes;
  copy.srcY = p.srcY;
  copy.srcMemoryType = p.srcMemoryType;
  copy.srcHost = p.srcHost;
  copy.srcDevice = p.srcDevice;
  copy.srcArray = p.srcArray;
  copy.srcPitch = p.srcPitch;
  copy.dstXInBytes = p.dstXInBytes;
  copy.dstY = p.dstY;
  copy.dstMemoryType = p.dstMemoryType;
  copy.dstHost = p.dstHost;
  copy.dstDevice = p.dstDevice;
  copy.dstArray = p.dstArray;
  copy.dstPitch = p.dstPitch;
  copy.WidthInBytes = p.WidthInBytes;
  copy.srcHeight = copy.dstHeight = copy.Height = p.Height;
  copy.Depth = 1;
  if constexpr (requires { p.Depth; }) {
    copy.srcZ = p.srcZ;
    copy.dstZ = p.dstZ;
    copy.srcHeight = p.srcHeight;
    copy.dstHeight = p.dstHeight;
    copy.Depth = p.Depth;
  }
  return copy;
}

template <typename Copy>
bool has_array(const Copy& p) {
  return p.srcMemoryType == CU_MEMORYTYPE_ARRAY || p.dstMemoryType == CU_MEMORYTYPE_ARRAY;
}

template <typename Copy>
CUresult copy_array(CUstream stream, const Copy& p, Wait wait) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, wait == Wait::kYes, &at, &name)) return error;
  return copy_with_array(at, name, as_3d(p), wait == Wait::kYes);
}

CUresult copy_2d(CUstream stream, const CUDA_MEMCPY2D* p, Wait wait) {
  if (!p) return CUDA_ERROR_INVALID_VALUE;
  if (has_array(*p)) return copy_array(stream, *p, wait);
  Box box{{}, {}, p->WidthInBytes, p->Height, 1};
  if (CUresult error = corner(p->srcMemoryType, to_name(p->srcHost), p->srcDevice, p->srcXInBytes, p->srcY, 0, p->srcPitch, p->Height,
                              p->WidthInBytes, &box.source)) {
    return error;
  }
  if (CUresult error = corner(p->dstMemoryType, to_name(p->dstHost), p->dstDevice, p->dstXInBytes, p->dstY, 0, p->dstPitch, p->Height,
                              p->WidthInBytes, &box.destination)) {
    return error;
  }
  return copy_box(stream, box, wait);
}

// CUDA_MEMCPY3D and CUDA_MEMCPY3D_PEER name their fields alike.
template <typename Copy3d>
CUresult copy_3d(CUstream stream, const Copy3d* p, Wait wait) {
  if (!p || p->srcLOD || p->dstLOD) return CUDA_ERROR_INVALID_VALUE;
  if (has_array(*p)) return copy_array(stream, *p, wait);
  Box box{{}, {}, p->WidthInBytes, p->Height, p->Depth};
  if (CUresult error = corner(p->srcMemoryType, to_name(p->srcHost), p->srcDevice, p->srcXInBytes, p->srcY, p->srcZ, p->srcPitch,
                              p->srcHeight, p->WidthInBytes, &box.source)) {
    return error;
  }
  if (CUresult error = corner(p->dstMemoryType, to_name(p->dstHost), p->dstDevice, p->dstXInBytes, p->dstY, p->dstZ, p->dstPitch,
                              p->dstHeight, p->WidthInBytes, &box.destination)) {
    return error;
  }
  return copy_box(stream, box, wait);
}

CUresult copy_batch(CUdeviceptr* destinations, CUdeviceptr* sources, size_t* sizes, size_t count, size_t attributes, CUstream stream) {
  if (!destinations || !sources || !sizes || !count || !attributes) return CUDA_ERROR_INVALID_VALUE;
  if (!stream || stream == CU_STREAM_LEGACY) return CUDA_ERROR_INVALID_HANDLE;  // as the driver has it: not on the legacy stream
  for (size_t i = 0; i < count; ++i) {
    if (CUresult error = copy(stream, {destinations[i], sources[i], sizes[i]}, Wait::kNo)) return error;
  }
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemcpy(CUstream stream, CUdeviceptr to, CUdeviceptr from, size_t size) { return copy(stream, {to, from, size}, Wait::kYes); }
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) { return copy(stream, {to, from, size}, Wait::kNo); }

CUresult cuMemcpyHtoD_v2(CUstream stream, CUdeviceptr to, const void* from, size_t size) {
  return copy(stream, {to, to_name(from), size, Side::kDevice, Side::kHost}, Wait::kYes);
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t size, CUstream stream) {
  return copy(stream, {to, to_name(from), size, Side::kDevice, Side::kHost}, Wait::kNo);
}
CUresult cuMemcpyDtoH_v2(CUstream stream, void* to, CUdeviceptr from, size_t size) {
  return copy(stream, {to_name(to), from, size, Side::kHost, Side::kDevice}, Wait::kYes);
}
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t size, CUstream stream) {
  return copy(stream, {to_name(to), from, size, Side::kHost, Side::kDevice}, Wait::kNo);
}
CUresult cuMemcpyDtoD_v2(CUstream stream, CUdeviceptr to, CUdeviceptr from, size_t size) {
  return copy(stream, {to, from, size, Side::kDevice, Side::kDevice}, Wait::kYes);
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  return copy(stream, {to, from, size, Side::kDevice, Side::kDevice}, Wait::kNo);
}
CUresult cuMemcpyPeer(CUstream stream, CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t size) {
  if (!find_context(to_name(to_context)) || !find_context(to_name(from_context))) return CUDA_ERROR_INVALID_CONTEXT;
  return copy(stream, {to, from, size}, Wait::kYes);
}
CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t size, CUstream stream) {
  if (!find_context(to_name(to_context)) || !find_context(to_name(from_context))) return CUDA_ERROR_INVALID_CONTEXT;
  return copy(stream, {to, from, size}, Wait::kNo);
}
CUresult cuMemcpyWithAttributesAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUmemcpyAttributes* attributes, CUstream stream) {
  return attributes ? copy(stream, {to, from, size}, Wait::kNo) : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuMemcpyBatchAsync(CUdeviceptr* to, CUdeviceptr* from, size_t* sizes, size_t count, CUmemcpyAttributes*, size_t*,
                            size_t attributes, size_t* failed, CUstream stream) {
  const CUresult status = copy_batch(to, from, sizes, count, attributes, stream);
  if (status != CUDA_SUCCESS && failed) *failed = SIZE_MAX;
  return status;
}
CUresult cuMemcpyBatchAsync_v2(CUdeviceptr* to, CUdeviceptr* from, size_t* sizes, size_t count, CUmemcpyAttributes*, size_t*,
                               size_t attributes, CUstream stream) {
  return copy_batch(to, from, sizes, count, attributes, stream);
}

CUresult cuMemcpy2D_v2(CUstream stream, const CUDA_MEMCPY2D* box) { return copy_2d(stream, box, Wait::kYes); }
CUresult cuMemcpy2DUnaligned_v2(CUstream stream, const CUDA_MEMCPY2D* box) { return copy_2d(stream, box, Wait::kYes); }
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* box, CUstream stream) { return copy_2d(stream, box, Wait::kNo); }
CUresult cuMemcpy3D_v2(CUstream stream, const CUDA_MEMCPY3D* box) { return copy_3d(stream, box, Wait::kYes); }
CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* box, CUstream stream) { return copy_3d(stream, box, Wait::kNo); }
CUresult cuMemcpy3DPeer(CUstream stream, const CUDA_MEMCPY3D_PEER* box) { return copy_3d(stream, box, Wait::kYes); }
CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* box, CUstream stream) { return copy_3d(stream, box, Wait::kNo); }

}  // namespace bitfusion::interposer::api
