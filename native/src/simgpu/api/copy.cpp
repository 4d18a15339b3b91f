// cuMemcpy* and cuMemset* in all their forms.
#include "simgpu/copy.h"

#include "simgpu/array.h"

using namespace simgpu;

namespace {

uint64_t number(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

CUresult flat(uint64_t dst, Side dst_side, uint64_t src, Side src_side, size_t bytes, CUstream stream, bool blocking) {
  ENTER(context);
  CopyWork copy;
  if (const CUresult bad = flat_copy(dst, dst_side, src, src_side, bytes, &copy); bad != CUDA_SUCCESS) return bad;
  return submit_copy(context, stream, std::move(copy), blocking);
}

CUresult shaped(const CUDA_MEMCPY3D* asked, CUstream stream, bool blocking) {
  ENTER(context);
  REQUIRE(asked != nullptr, CUDA_ERROR_INVALID_VALUE);
  CopyWork copy;
  if (const CUresult bad = shaped_copy(*asked, &copy); bad != CUDA_SUCCESS) return bad;
  return submit_copy(context, stream, std::move(copy), blocking);
}

CUDA_MEMCPY3D deepen(const CUDA_MEMCPY2D& flat) {
  CUDA_MEMCPY3D full{};
  full.srcXInBytes = flat.srcXInBytes;
  full.srcY = flat.srcY;
  full.srcMemoryType = flat.srcMemoryType;
  full.srcHost = flat.srcHost;
  full.srcDevice = flat.srcDevice;
  full.srcArray = flat.srcArray;
  full.srcPitch = flat.srcPitch;
  full.dstXInBytes = flat.dstXInBytes;
  full.dstY = flat.dstY;
  full.dstMemoryType = flat.dstMemoryType;
  full.dstHost = flat.dstHost;
  full.dstDevice = flat.dstDevice;
  full.dstArray = flat.dstArray;
  full.dstPitch = flat.dstPitch;
  full.WidthInBytes = flat.WidthInBytes;
  full.Height = flat.Height;
  full.Depth = 1;
  return full;
}

CUresult shaped_2d(const CUDA_MEMCPY2D* asked, CUstream stream, bool blocking) {
  REQUIRE(asked != nullptr, CUDA_ERROR_INVALID_VALUE);
  const CUDA_MEMCPY3D full = deepen(*asked);
  return shaped(&full, stream, blocking);
}

// All GPUs share one address space, so the contexts of a peer copy change nothing.
CUresult shaped_peer(const CUDA_MEMCPY3D_PEER* asked, CUstream stream, bool blocking) {
  REQUIRE(asked != nullptr, CUDA_ERROR_INVALID_VALUE);
  CUDA_MEMCPY3D full{};
  full.srcXInBytes = asked->srcXInBytes;
  full.srcY = asked->srcY;
  full.srcZ = asked->srcZ;
  full.srcMemoryType = asked->srcMemoryType;
  full.srcHost = asked->srcHost;
  full.srcDevice = asked->srcDevice;
  full.srcArray = asked->srcArray;
  full.srcPitch = asked->srcPitch;
  full.srcHeight = asked->srcHeight;
  full.dstXInBytes = asked->dstXInBytes;
  full.dstY = asked->dstY;
  full.dstZ = asked->dstZ;
  full.dstMemoryType = asked->dstMemoryType;
  full.dstHost = asked->dstHost;
  full.dstDevice = asked->dstDevice;
  full.dstArray = asked->dstArray;
  full.dstPitch = asked->dstPitch;
  full.dstHeight = asked->dstHeight;
  full.WidthInBytes = asked->WidthInBytes;
  full.Height = asked->Height;
  full.Depth = asked->Depth;
  return shaped(&full, stream, blocking);
}

CUresult array_copy(CUarray handle, size_t offset, size_t bytes, uint64_t* address) {
  const Array* array = arrays().get(handle);
  REQUIRE(array != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(offset <= array->bytes() && bytes <= array->bytes() - offset, CUDA_ERROR_INVALID_VALUE);
  *address = array->address + offset;
  return CUDA_SUCCESS;
}

CUresult to_array(CUarray array, size_t offset, uint64_t src, Side side, size_t bytes, CUstream stream, bool blocking) {
  uint64_t address = 0;
  if (const CUresult bad = array_copy(array, offset, bytes, &address); bad != CUDA_SUCCESS) return bad;
  return flat(address, Side::kDevice, src, side, bytes, stream, blocking);
}

CUresult from_array(uint64_t dst, Side side, CUarray array, size_t offset, size_t bytes, CUstream stream, bool blocking) {
  uint64_t address = 0;
  if (const CUresult bad = array_copy(array, offset, bytes, &address); bad != CUDA_SUCCESS) return bad;
  return flat(dst, side, address, Side::kDevice, bytes, stream, blocking);
}

// Fills of device memory do not wait, except those of pinned host memory (as documented for the runtime).
CUresult fill(uint64_t dst, size_t pitch, unsigned value, unsigned element, size_t width, size_t height, CUstream stream,
              bool synchronous) {
  ENTER(context);
  FillWork work;
  if (const CUresult bad = make_fill(dst, pitch, value, element, width, height, &work); bad != CUDA_SUCCESS) return bad;
  constexpr size_t kSmallFill = 256u << 10;
  const bool small = work.width * work.element_size * work.height <= kSmallFill;
  return enqueue(context, stream, work, synchronous ? Urgency::kWait : small ? Urgency::kHere : Urgency::kQueue);
}

// Operands of a batched three-dimensional copy count in elements: of the array if one end is one, else bytes.
size_t element_of(const CUDA_MEMCPY3D_BATCH_OP& operation) {
  for (const CUmemcpy3DOperand* operand : {&operation.src, &operation.dst}) {
    const Array* array = operand->type == CU_MEMCPY_OPERAND_TYPE_ARRAY ? arrays().get(operand->op.array.array) : nullptr;
    if (array != nullptr) return array->element_bytes;
  }
  return 1;
}

CUDA_MEMCPY3D shape_of(const CUDA_MEMCPY3D_BATCH_OP& operation) {
  const size_t element = element_of(operation);
  const auto pointer = [](const CUmemcpy3DOperand& operand) { return operand.type == CU_MEMCPY_OPERAND_TYPE_POINTER; };
  CUDA_MEMCPY3D full{};
  full.WidthInBytes = operation.extent.width * element;
  full.Height = operation.extent.height;
  full.Depth = operation.extent.depth;
  full.srcMemoryType = pointer(operation.src) ? CU_MEMORYTYPE_UNIFIED : CU_MEMORYTYPE_ARRAY;
  full.dstMemoryType = pointer(operation.dst) ? CU_MEMORYTYPE_UNIFIED : CU_MEMORYTYPE_ARRAY;
  if (pointer(operation.src)) {
    full.srcDevice = operation.src.op.ptr.ptr;
    full.srcPitch = operation.src.op.ptr.rowLength * element;
    full.srcHeight = operation.src.op.ptr.layerHeight;
  } else {
    full.srcArray = operation.src.op.array.array;
    full.srcXInBytes = operation.src.op.array.offset.x * element;
    full.srcY = operation.src.op.array.offset.y;
    full.srcZ = operation.src.op.array.offset.z;
  }
  if (pointer(operation.dst)) {
    full.dstDevice = operation.dst.op.ptr.ptr;
    full.dstPitch = operation.dst.op.ptr.rowLength * element;
    full.dstHeight = operation.dst.op.ptr.layerHeight;
  } else {
    full.dstArray = operation.dst.op.array.array;
    full.dstXInBytes = operation.dst.op.array.offset.x * element;
    full.dstY = operation.dst.op.array.offset.y;
    full.dstZ = operation.dst.op.array.offset.z;
  }
  return full;
}

CUresult shaped_batch(size_t count, const CUDA_MEMCPY3D_BATCH_OP* operations, unsigned long long flags, CUstream stream) {
  REQUIRE(operations != nullptr && count != 0 && flags == 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; i++) {
    const CUextent3D& extent = operations[i].extent;
    REQUIRE(extent.width != 0 && extent.height != 0 && extent.depth != 0, CUDA_ERROR_INVALID_VALUE);
    const CUDA_MEMCPY3D full = shape_of(operations[i]);
    if (const CUresult bad = shaped(&full, stream, false); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t bytes) {
  return flat(dst, Side::kUnified, src, Side::kUnified, bytes, nullptr, true);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  return flat(dst, Side::kUnified, src, Side::kUnified, bytes, stream, false);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void* src, size_t bytes) {
  return flat(dst, Side::kDevice, number(src), Side::kHost, bytes, nullptr, true);
}

CUresult cuMemcpyDtoH_v2(void* dst, CUdeviceptr src, size_t bytes) {
  return flat(number(dst), Side::kHost, src, Side::kDevice, bytes, nullptr, true);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes) {
  return flat(dst, Side::kDevice, src, Side::kDevice, bytes, nullptr, false);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void* src, size_t bytes, CUstream stream) {
  return flat(dst, Side::kDevice, number(src), Side::kHost, bytes, stream, false);
}

CUresult cuMemcpyDtoHAsync_v2(void* dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  return flat(number(dst), Side::kHost, src, Side::kDevice, bytes, stream, false);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  return flat(dst, Side::kDevice, src, Side::kDevice, bytes, stream, false);
}

CUresult cuMemcpyPeer(CUdeviceptr dst, CUcontext, CUdeviceptr src, CUcontext, size_t bytes) {
  return flat(dst, Side::kDevice, src, Side::kDevice, bytes, nullptr, false);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext, CUdeviceptr src, CUcontext, size_t bytes, CUstream stream) {
  return flat(dst, Side::kDevice, src, Side::kDevice, bytes, stream, false);
}

CUresult cuMemcpyWithAttributesAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUmemcpyAttributes*, CUstream stream) {
  return cuMemcpyAsync(dst, src, bytes, stream);
}

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count, CUmemcpyAttributes*, size_t*, size_t,
                               CUstream stream) {
  REQUIRE(dsts != nullptr && srcs != nullptr && sizes != nullptr && count != 0 && stream != nullptr, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; i++) {
    if (const CUresult bad = cuMemcpyAsync(dsts[i], srcs[i], sizes[i], stream); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* copy) { return shaped_2d(copy, nullptr, true); }

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* copy) { return shaped_2d(copy, nullptr, true); }

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream stream) { return shaped_2d(copy, stream, false); }

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D* copy) { return shaped(copy, nullptr, true); }

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* copy, CUstream stream) { return shaped(copy, stream, false); }

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* copy) { return shaped_peer(copy, nullptr, true); }

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* copy, CUstream stream) { return shaped_peer(copy, stream, false); }

CUresult cuMemcpy3DBatchAsync_v2(size_t count, CUDA_MEMCPY3D_BATCH_OP* operations, unsigned long long flags, CUstream stream) {
  return shaped_batch(count, operations, flags, stream);
}

CUresult cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP* operation, unsigned long long flags, CUstream stream) {
  return shaped_batch(1, operation, flags, stream);
}

CUresult cuMemcpyHtoA_v2(CUarray dst, size_t offset, const void* src, size_t bytes) {
  return to_array(dst, offset, number(src), Side::kHost, bytes, nullptr, true);
}

CUresult cuMemcpyHtoAAsync_v2(CUarray dst, size_t offset, const void* src, size_t bytes, CUstream stream) {
  return to_array(dst, offset, number(src), Side::kHost, bytes, stream, false);
}

CUresult cuMemcpyDtoA_v2(CUarray dst, size_t offset, CUdeviceptr src, size_t bytes) {
  return to_array(dst, offset, src, Side::kDevice, bytes, nullptr, true);
}

CUresult cuMemcpyAtoH_v2(void* dst, CUarray src, size_t offset, size_t bytes) {
  return from_array(number(dst), Side::kHost, src, offset, bytes, nullptr, true);
}

CUresult cuMemcpyAtoHAsync_v2(void* dst, CUarray src, size_t offset, size_t bytes, CUstream stream) {
  return from_array(number(dst), Side::kHost, src, offset, bytes, stream, false);
}

CUresult cuMemcpyAtoD_v2(CUdeviceptr dst, CUarray src, size_t offset, size_t bytes) {
  return from_array(dst, Side::kDevice, src, offset, bytes, nullptr, true);
}

CUresult cuMemcpyAtoA_v2(CUarray dst, size_t dst_offset, CUarray src, size_t src_offset, size_t bytes) {
  uint64_t address = 0;
  if (const CUresult bad = array_copy(dst, dst_offset, bytes, &address); bad != CUDA_SUCCESS) return bad;
  return from_array(address, Side::kDevice, src, src_offset, bytes, nullptr, true);
}

CUresult cuMemsetD8_v2(CUdeviceptr dst, unsigned char value, size_t count) { return fill(dst, 0, value, 1, count, 1, nullptr, true); }

CUresult cuMemsetD16_v2(CUdeviceptr dst, unsigned short value, size_t count) { return fill(dst, 0, value, 2, count, 1, nullptr, true); }

CUresult cuMemsetD32_v2(CUdeviceptr dst, unsigned int value, size_t count) { return fill(dst, 0, value, 4, count, 1, nullptr, true); }

CUresult cuMemsetD2D8_v2(CUdeviceptr dst, size_t pitch, unsigned char value, size_t width, size_t height) {
  return fill(dst, pitch, value, 1, width, height, nullptr, true);
}

CUresult cuMemsetD2D16_v2(CUdeviceptr dst, size_t pitch, unsigned short value, size_t width, size_t height) {
  return fill(dst, pitch, value, 2, width, height, nullptr, true);
}

CUresult cuMemsetD2D32_v2(CUdeviceptr dst, size_t pitch, unsigned int value, size_t width, size_t height) {
  return fill(dst, pitch, value, 4, width, height, nullptr, true);
}

CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char value, size_t count, CUstream stream) {
  return fill(dst, 0, value, 1, count, 1, stream, false);
}

CUresult cuMemsetD16Async(CUdeviceptr dst, unsigned short value, size_t count, CUstream stream) {
  return fill(dst, 0, value, 2, count, 1, stream, false);
}

CUresult cuMemsetD32Async(CUdeviceptr dst, unsigned int value, size_t count, CUstream stream) {
  return fill(dst, 0, value, 4, count, 1, stream, false);
}

CUresult cuMemsetD2D8Async(CUdeviceptr dst, size_t pitch, unsigned char value, size_t width, size_t height, CUstream stream) {
  return fill(dst, pitch, value, 1, width, height, stream, false);
}

CUresult cuMemsetD2D16Async(CUdeviceptr dst, size_t pitch, unsigned short value, size_t width, size_t height, CUstream stream) {
  return fill(dst, pitch, value, 2, width, height, stream, false);
}

CUresult cuMemsetD2D32Async(CUdeviceptr dst, size_t pitch, unsigned int value, size_t width, size_t height, CUstream stream) {
  return fill(dst, pitch, value, 4, width, height, stream, false);
}

}  // extern "C"
