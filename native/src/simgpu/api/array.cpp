// Creation and description of CUDA arrays; copies to and from them are in copy.cpp. Textures and surfaces are not simulated.
#include "simgpu/array.h"

#include "simgpu/arena.h"
#include "simgpu/context.h"

using namespace simgpu;

namespace simgpu {

HandleTable<Array>& arrays() {
  static auto* table = new HandleTable<Array>(1u << 20);
  return *table;
}

}  // namespace simgpu

namespace {

size_t channel_bytes(CUarray_format format) {
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8:
      return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF:
      return 2;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT:
      return 4;
    default:
      return 0;
  }
}

CUresult create_array(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  ENTER(context);
  REQUIRE(out != nullptr && descriptor.Width != 0, CUDA_ERROR_INVALID_VALUE);
  const bool channels = descriptor.NumChannels == 1 || descriptor.NumChannels == 2 || descriptor.NumChannels == 4;
  const size_t element = channel_bytes(descriptor.Format) * descriptor.NumChannels;
  REQUIRE(channels && element != 0, CUDA_ERROR_INVALID_VALUE);
  Array array{descriptor, 0, element};
  Allocation wanted;
  wanted.size = array.bytes();
  wanted.kind = MemoryKind::kArray;
  wanted.gpu = context->gpu();
  wanted.context = context;
  const auto address = Arena::get().allocate(wanted);
  REQUIRE(address.has_value(), CUDA_ERROR_OUT_OF_MEMORY);
  array.address = *address;
  *out = reinterpret_cast<CUarray>(arrays().make(array));
  return *out != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

}  // namespace

extern "C" {

CUresult cuArrayCreate_v2(CUarray* out, const CUDA_ARRAY_DESCRIPTOR* flat) {
  REQUIRE(flat != nullptr, CUDA_ERROR_INVALID_VALUE);
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  descriptor.Width = flat->Width;
  descriptor.Height = flat->Height;
  descriptor.Format = flat->Format;
  descriptor.NumChannels = flat->NumChannels;
  return create_array(out, descriptor);
}

CUresult cuArray3DCreate_v2(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR* descriptor) {
  REQUIRE(descriptor != nullptr, CUDA_ERROR_INVALID_VALUE);
  return create_array(out, *descriptor);
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR* descriptor, CUarray handle) {
  ENTER(context);
  const Array* array = arrays().get(handle);
  REQUIRE(array != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(descriptor != nullptr, CUDA_ERROR_INVALID_VALUE);
  *descriptor = array->descriptor;
  return CUDA_SUCCESS;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR* descriptor, CUarray handle) {
  REQUIRE(descriptor != nullptr, CUDA_ERROR_INVALID_VALUE);
  CUDA_ARRAY3D_DESCRIPTOR full{};
  const CUresult result = cuArray3DGetDescriptor_v2(&full, handle);
  if (result == CUDA_SUCCESS) *descriptor = {full.Width, full.Height, full.Format, full.NumChannels};
  return result;
}

CUresult cuArrayDestroy(CUarray handle) {
  ENTER(context);
  Array* array = arrays().get(handle);
  REQUIRE(array != nullptr, CUDA_ERROR_INVALID_HANDLE);
  context->synchronize();
  Arena::get().release(array->address);
  arrays().destroy(array);
  return context->sticky();
}

}  // extern "C"
