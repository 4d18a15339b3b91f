// One-dimensional copies of arrays, and batches of boxes.
#include "calls/api.h"
#include "interposer/array_copy.h"
#include "interposer/check.h"

namespace bitfusion::interposer::api {
namespace {

CUDA_MEMCPY3D line(size_t size) {
  CUDA_MEMCPY3D copy = {};
  copy.WidthInBytes = size;
  copy.Height = copy.Depth = 1;
  return copy;
}

void from_array(CUDA_MEMCPY3D* copy, CUarray array, size_t offset) {
  copy->srcMemoryType = CU_MEMORYTYPE_ARRAY;
  copy->srcArray = array;
  copy->srcXInBytes = offset;
}

void to_array(CUDA_MEMCPY3D* copy, CUarray array, size_t offset) {
  copy->dstMemoryType = CU_MEMORYTYPE_ARRAY;
  copy->dstArray = array;
  copy->dstXInBytes = offset;
}

CUresult run(CUstream stream, const CUDA_MEMCPY3D& copy, bool waits) {
  Caller at;
  uint64_t name;
  if (CUresult error = enter(Scope::kContext, waits, &at)) return error;
  return name_stream(at, stream, &name) ? copy_with_array(at, name, copy, waits) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult host_to_array(CUstream stream, CUarray to, size_t offset, const void* from, size_t size, bool waits) {
  CUDA_MEMCPY3D copy = line(size);
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = from;
  to_array(&copy, to, offset);
  return run(stream, copy, waits);
}

CUresult array_to_host(CUstream stream, void* to, CUarray from, size_t offset, size_t size, bool waits) {
  CUDA_MEMCPY3D copy = line(size);
  from_array(&copy, from, offset);
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = to;
  return run(stream, copy, waits);
}

// --- Batches of boxes, whose extents are elements where an array takes part -------------------------------------------------------------

// Bytes of an array's element.
CUresult element_size(CUarray array, size_t* size) {
  CUDA_ARRAY3D_DESCRIPTOR shape = {};
  if (CUresult error = api::cuArray3DGetDescriptor_v2(&shape, array)) return error;
  switch (shape.Format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8:
      *size = shape.NumChannels;
      return CUDA_SUCCESS;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF:
      *size = size_t{2} * shape.NumChannels;
      return CUDA_SUCCESS;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT:
      *size = size_t{4} * shape.NumChannels;
      return CUDA_SUCCESS;
    default:
      log_refusal("a batched copy of an array of a special format", "the size of its elements is the driver's own");
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

bool is_array(const CUmemcpy3DOperand& operand) { return operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY; }

CUresult element_of(const CUDA_MEMCPY3D_BATCH_OP& op, size_t* element) {
  *element = 1;
  if (is_array(op.src)) return element_size(op.src.op.array.array, element);
  return is_array(op.dst) ? element_size(op.dst.op.array.array, element) : CUDA_SUCCESS;
}

// A batch's operation as the copy that it is.
CUDA_MEMCPY3D as_copy(const CUDA_MEMCPY3D_BATCH_OP& op, size_t element) {
  CUDA_MEMCPY3D copy = {};
  copy.WidthInBytes = op.extent.width * element;
  copy.Height = op.extent.height;
  copy.Depth = op.extent.depth;
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  if (is_array(op.src)) {
    from_array(&copy, op.src.op.array.array, op.src.op.array.offset.x * element);
    copy.srcY = op.src.op.array.offset.y;
    copy.srcZ = op.src.op.array.offset.z;
  } else {
    copy.srcDevice = op.src.op.ptr.ptr;
    copy.srcPitch = op.src.op.ptr.rowLength * element;
    copy.srcHeight = op.src.op.ptr.layerHeight ? op.src.op.ptr.layerHeight : copy.Height;
  }
  if (is_array(op.dst)) {
    to_array(&copy, op.dst.op.array.array, op.dst.op.array.offset.x * element);
    copy.dstY = op.dst.op.array.offset.y;
    copy.dstZ = op.dst.op.array.offset.z;
  } else {
    copy.dstDevice = op.dst.op.ptr.ptr;
    copy.dstPitch = op.dst.op.ptr.rowLength * element;
    copy.dstHeight = op.dst.op.ptr.layerHeight ? op.dst.op.ptr.layerHeight : copy.Height;
  }
  return copy;
}

CUresult copy_one(const CUDA_MEMCPY3D_BATCH_OP& op, CUstream stream) {
  size_t element;
  if (CUresult error = element_of(op, &element)) return error;
  const CUDA_MEMCPY3D copy = as_copy(op, element);
  return api::cuMemcpy3DAsync_v2(&copy, stream);
}

CUresult copy_batch(size_t count, const CUDA_MEMCPY3D_BATCH_OP* ops, unsigned long long flags, CUstream stream, size_t* failed) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!count || !ops || flags) return CUDA_ERROR_INVALID_VALUE;
  if (!stream || stream == CU_STREAM_LEGACY) return CUDA_ERROR_INVALID_HANDLE;  // as the driver has it: not on the legacy stream
  for (size_t i = 0; i < count; ++i) {
    *failed = i;
    if (CUresult error = copy_one(ops[i], stream)) return error;
  }
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemcpyHtoA_v2(CUstream stream, CUarray to, size_t offset, const void* from, size_t size) {
  return host_to_array(stream, to, offset, from, size, true);
}
CUresult cuMemcpyHtoAAsync_v2(CUarray to, size_t offset, const void* from, size_t size, CUstream stream) {
  return host_to_array(stream, to, offset, from, size, false);
}
CUresult cuMemcpyAtoH_v2(CUstream stream, void* to, CUarray from, size_t offset, size_t size) {
  return array_to_host(stream, to, from, offset, size, true);
}
CUresult cuMemcpyAtoHAsync_v2(void* to, CUarray from, size_t offset, size_t size, CUstream stream) {
  return array_to_host(stream, to, from, offset, size, false);
}
CUresult cuMemcpyDtoA_v2(CUstream stream, CUarray to, size_t offset, CUdeviceptr from, size_t size) {
  CUDA_MEMCPY3D copy = line(size);
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = from;
  to_array(&copy, to, offset);
  return run(stream, copy, true);
}
CUresult cuMemcpyAtoD_v2(CUstream stream, CUdeviceptr to, CUarray from, size_t offset, size_t size) {
  CUDA_MEMCPY3D copy = line(size);
  from_array(&copy, from, offset);
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = to;
  return run(stream, copy, true);
}
CUresult cuMemcpyAtoA_v2(CUstream stream, CUarray to, size_t to_offset, CUarray from, size_t from_offset, size_t size) {
  CUDA_MEMCPY3D copy = line(size);
  from_array(&copy, from, from_offset);
  to_array(&copy, to, to_offset);
  return run(stream, copy, true);
}

CUresult cuMemcpy3DBatchAsync(size_t count, CUDA_MEMCPY3D_BATCH_OP* ops, size_t* failed, unsigned long long flags, CUstream stream) {
  size_t at = 0;
  const CUresult status = copy_batch(count, ops, flags, stream, &at);
  if (status != CUDA_SUCCESS && failed) *failed = at;
  return status;
}
CUresult cuMemcpy3DBatchAsync_v2(size_t count, CUDA_MEMCPY3D_BATCH_OP* ops, unsigned long long flags, CUstream stream) {
  size_t at = 0;
  return copy_batch(count, ops, flags, stream, &at);
}
CUresult cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP* op, unsigned long long flags, CUstream stream) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  return op && !flags ? copy_one(*op, stream) : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace bitfusion::interposer::api
