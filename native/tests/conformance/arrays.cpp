// Arrays, mipmaps, copies with them, textures, surfaces, texture references.
#include "conformance.h"

namespace {

CUDA_ARRAY3D_DESCRIPTOR shape(size_t width, size_t height, size_t depth, unsigned flags = 0) {
  return {width, height, depth, CU_AD_FORMAT_UNSIGNED_INT32, 1, flags};
}

CUarray make(size_t width, size_t height, size_t depth = 0, unsigned flags = 0) {
  CUarray array = nullptr;
  const auto wanted = shape(width, height, depth, flags);
  CALL(OK, cuArray3DCreate_v2, &array, &wanted);
  return array;
}

std::vector<uint32_t> numbers(size_t count, uint32_t step) {
  std::vector<uint32_t> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<uint32_t>(i * step);
  return values;
}

}  // namespace

GROUP(arrays) {
  conformance::begin();
  CUarray array = nullptr, other = nullptr;
  CUDA_ARRAY_DESCRIPTOR flat = {64, 16, CU_AD_FORMAT_UNSIGNED_INT32, 1}, got = {};
  CALL(OK, cuArrayCreate_v2, &array, &flat);
  CALL(INVALID, cuArrayCreate_v2, nullptr, &flat);
  CALL(INVALID, cuArrayCreate_v2, &other, nullptr);
  CUDA_ARRAY_DESCRIPTOR wrong = flat;
  wrong.NumChannels = 3;
  CALL(INVALID, cuArrayCreate_v2, &other, &wrong);
  CALL(OK, cuArrayGetDescriptor_v2, &got, array);
  EQUAL("width", got.Width, 64);
  EQUAL("height", got.Height, 16);
  CALL(INVALID, cuArrayGetDescriptor_v2, nullptr, array);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuArrayGetDescriptor_v2, &got, nullptr);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuArrayGetDescriptor_v2, &got, conformance::garbage<CUarray>());
  CUDA_ARRAY3D_DESCRIPTOR got3 = {};
  CALL(OK, cuArray3DGetDescriptor_v2, &got3, array);
  EQUAL("depth of a flat array", got3.Depth, 0);
  CALL(INVALID, cuArray3DCreate_v2, &other, nullptr);
  const auto huge = shape(1 << 17, 1 << 17, 1 << 17);
  CALL(INVALID, cuArray3DCreate_v2, &other, &huge);
  CUDA_ARRAY_MEMORY_REQUIREMENTS needs = {};
  CALL_ON_GPU(OK, cuArrayGetMemoryRequirements, &needs, array, 0);
  CUDA_ARRAY_SPARSE_PROPERTIES sparse = {};
  CALL_ON_GPU(INVALID, cuArrayGetSparseProperties, &sparse, array);
  CALL_ON_GPU(INVALID, cuArrayGetPlane, &other, array, 0);
  CALL(OK, cuArrayDestroy, array);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuArrayDestroy, array);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuArrayDestroy, nullptr);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuArrayGetDescriptor_v2, &got, array);
  CUDA_ARRAY_DESCRIPTOR_v1 old = {8, 4, CU_AD_FORMAT_UNSIGNED_INT32, 1}, got_old = {};
  CALL(OK, cuArrayCreate, &array, &old);
  CALL(INVALID, cuArrayCreate, &other, nullptr);
  CALL(OK, cuArrayGetDescriptor, &got_old, array);
  EQUAL("width in the old structure", got_old.Width, 8);
  CALL(OK, cuArrayDestroy, array);
  CUDA_ARRAY3D_DESCRIPTOR_v1 old3 = {8, 4, 2, CU_AD_FORMAT_UNSIGNED_INT32, 1, 0}, got_old3 = {};
  CALL(OK, cuArray3DCreate, &array, &old3);
  CALL(OK, cuArray3DGetDescriptor, &got_old3, array);
  EQUAL("depth in the old structure", got_old3.Depth, 2);
  CALL(OK, cuArrayDestroy, array);
}

GROUP(array_copies) {
  conformance::begin();
  CUarray array = make(64, 16), second = make(64, 16);
  const auto source = numbers(64 * 16, 3);
  std::vector<uint32_t> result(64 * 16, 0);
  CUDA_MEMCPY2D in = {}, out = {};
  in.srcMemoryType = out.dstMemoryType = CU_MEMORYTYPE_HOST;
  in.dstMemoryType = out.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  in.srcHost = source.data();
  out.dstHost = result.data();
  in.dstArray = out.srcArray = array;
  in.srcPitch = out.dstPitch = 256;
  in.WidthInBytes = out.WidthInBytes = 256;
  in.Height = out.Height = 16;
  CALL(OK, cuMemcpy2D_v2, &in);
  CALL(OK, cuMemcpy2D_v2, &out);
  EQUAL("to an array and back", result == source, true);
  CALL(INVALID, cuMemcpy2D_v2, nullptr);
  CUDA_MEMCPY2D bad = in;
  bad.dstArray = conformance::garbage<CUarray>();
  CALL(CUDA_ERROR_INVALID_HANDLE, cuMemcpy2D_v2, &bad);

  CUDA_MEMCPY2D across = {};
  across.srcMemoryType = across.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  across.srcArray = array;
  across.dstArray = second;
  across.WidthInBytes = 256;
  across.Height = 16;
  CALL(OK, cuMemcpy2DAsync_v2, &across, nullptr);
  out.srcArray = second;
  std::fill(result.begin(), result.end(), 0);
  CALL(OK, cuMemcpy2DUnaligned_v2, &out);
  EQUAL("from array to array", result == source, true);

  const CUdeviceptr data = conformance::allocate(4096);
  CUDA_MEMCPY2D to_device = across;
  to_device.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  to_device.dstArray = nullptr;
  to_device.dstDevice = data;
  to_device.dstPitch = 256;
  CALL(OK, cuMemcpy2D_v2, &to_device);
  EQUAL("from array to device", conformance::read(data, 1024) == source, true);

  CUarray line = make(256, 0);
  const auto row = numbers(256, 7);
  std::vector<uint32_t> back(256, 0);
  CALL(OK, cuMemcpyHtoA_v2, line, 0, row.data(), 1024);
  CALL(OK, cuMemcpyAtoH_v2, back.data(), line, 0, 1024);
  EQUAL("a line there and back", back == row, true);
  CALL(OK, cuMemcpyAtoD_v2, data, line, 4, 1016);
  EQUAL("from byte 4 on", conformance::read(data, 1)[0], 7);
  CALL(OK, cuMemcpyDtoA_v2, line, 0, data, 512);
  CALL(OK, cuMemcpyAtoH_v2, back.data(), line, 0, 4);
  EQUAL("from the device", back[0], 7);
  CUarray line2 = make(256, 0);
  CALL(OK, cuMemcpyAtoA_v2, line2, 0, line, 0, 1024);
  CALL(OK, cuMemcpyHtoAAsync_v2, line, 0, row.data(), 1024, nullptr);
  CALL(OK, cuMemcpyAtoHAsync_v2, back.data(), line, 0, 1024, nullptr);
  CALL(OK, cuCtxSynchronize);
  EQUAL("the asynchronous forms", back == row, true);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuMemcpyHtoA_v2, nullptr, 0, row.data(), 1024);
  CALL(OK, cuMemcpyHtoA, line, 0, row.data(), 64);
  CALL(OK, cuMemcpyAtoH, back.data(), line, 0, 64);
  CALL(OK, cuMemcpyAtoA, line2, 0, line, 0, 64);

  CUarray cube = make(16, 8, 4);
  const auto solid = numbers(16 * 8 * 4, 5);
  std::vector<uint32_t> solid_back(16 * 8 * 4, 0);
  CUDA_MEMCPY3D in3 = {}, out3 = {};
  in3.srcMemoryType = out3.dstMemoryType = CU_MEMORYTYPE_HOST;
  in3.dstMemoryType = out3.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  in3.srcHost = solid.data();
  out3.dstHost = solid_back.data();
  in3.dstArray = out3.srcArray = cube;
  in3.srcPitch = out3.dstPitch = 64;
  in3.srcHeight = out3.dstHeight = 8;
  in3.WidthInBytes = out3.WidthInBytes = 64;
  in3.Height = out3.Height = 8;
  in3.Depth = out3.Depth = 4;
  CALL(OK, cuMemcpy3D_v2, &in3);
  CALL(OK, cuMemcpy3DAsync_v2, &out3, nullptr);
  CALL(OK, cuCtxSynchronize);
  EQUAL("a solid there and back", solid_back == solid, true);
  for (CUarray each : {array, second, line, line2, cube}) CALL(OK, cuArrayDestroy, each);
}

GROUP(mipmaps) {
  conformance::begin();
  CUmipmappedArray mipmap = nullptr, none = nullptr;
  const auto wanted = shape(64, 64, 0);
  CALL(OK, cuMipmappedArrayCreate, &mipmap, &wanted, 3);
  CALL(INVALID, cuMipmappedArrayCreate, nullptr, &wanted, 3);
  CALL(INVALID, cuMipmappedArrayCreate, &none, nullptr, 3);
  CUarray level = nullptr, again = nullptr;
  CALL(OK, cuMipmappedArrayGetLevel, &level, mipmap, 1);
  CALL(OK, cuMipmappedArrayGetLevel, &again, mipmap, 1);
  EQUAL("a level is the same array each time", level == again, true);
  CALL(INVALID, cuMipmappedArrayGetLevel, &again, mipmap, 99);
  CALL(INVALID, cuMipmappedArrayGetLevel, nullptr, mipmap, 0);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuMipmappedArrayGetLevel, &again, nullptr, 0);
  CUDA_ARRAY3D_DESCRIPTOR got = {};
  CALL(OK, cuArray3DGetDescriptor_v2, &got, level);
  EQUAL("width of level 1", got.Width, 32);
  CUDA_ARRAY_MEMORY_REQUIREMENTS needs = {};
  CALL_ON_GPU(OK, cuMipmappedArrayGetMemoryRequirements, &needs, mipmap, 0);
  CUDA_ARRAY_SPARSE_PROPERTIES sparse = {};
  CALL_ON_GPU(INVALID, cuMipmappedArrayGetSparseProperties, &sparse, mipmap);
  CALL(OK, cuMipmappedArrayDestroy, mipmap);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuMipmappedArrayDestroy, mipmap);
}

GROUP(textures) {
  conformance::begin();
  CUarray array = make(64, 16);
  CUDA_RESOURCE_DESC resource = {}, got_resource = {};
  resource.resType = CU_RESOURCE_TYPE_ARRAY;
  resource.res.array.hArray = array;
  CUDA_TEXTURE_DESC texture = {}, got_texture = {};
  texture.addressMode[0] = texture.addressMode[1] = CU_TR_ADDRESS_MODE_CLAMP;
  texture.filterMode = CU_TR_FILTER_MODE_POINT;
  texture.flags = CU_TRSF_READ_AS_INTEGER;
  CUtexObject object = 0, none = 0;
  CALL(OK, cuTexObjectCreate, &object, &resource, &texture, nullptr);
  CALL(INVALID, cuTexObjectCreate, nullptr, &resource, &texture, nullptr);
  CALL(INVALID, cuTexObjectCreate, &none, nullptr, &texture, nullptr);
  CALL(INVALID, cuTexObjectCreate, &none, &resource, nullptr, nullptr);
  CUDA_RESOURCE_DESC wrong = resource;
  wrong.res.array.hArray = nullptr;
  CALL(CUDA_ERROR_INVALID_HANDLE, cuTexObjectCreate, &none, &wrong, &texture, nullptr);
  CALL(OK, cuTexObjectGetResourceDesc, &got_resource, object);
  EQUAL("its array", got_resource.res.array.hArray == array, true);
  CALL(INVALID, cuTexObjectGetResourceDesc, nullptr, object);
  CALL(OK, cuTexObjectGetTextureDesc, &got_texture, object);
  EQUAL("its flags", got_texture.flags, CU_TRSF_READ_AS_INTEGER);
  CALL(OK, cuTexObjectDestroy, object);
  CALL(INVALID, cuTexObjectDestroy, object);
  CALL(INVALID, cuTexObjectGetTextureDesc, &got_texture, object);

  CUDA_RESOURCE_DESC linear = {};
  linear.resType = CU_RESOURCE_TYPE_LINEAR;
  linear.res.linear.devPtr = conformance::allocate(4096);
  linear.res.linear.format = CU_AD_FORMAT_UNSIGNED_INT32;
  linear.res.linear.numChannels = 1;
  linear.res.linear.sizeInBytes = 4096;
  CALL(OK, cuTexObjectCreate, &object, &linear, &texture, nullptr);
  CALL(OK, cuTexObjectDestroy, object);
  linear.resType = static_cast<CUresourcetype>(77);
  CALL(INVALID, cuTexObjectCreate, &none, &linear, &texture, nullptr);

  CUarray drawn = make(64, 16, 0, CUDA_ARRAY3D_SURFACE_LDST);
  resource.res.array.hArray = drawn;
  CUsurfObject surface = 0;
  CALL(OK, cuSurfObjectCreate, &surface, &resource);
  CALL(INVALID, cuSurfObjectCreate, nullptr, &resource);
  CALL(INVALID, cuSurfObjectCreate, &surface, &linear);
  CALL(OK, cuSurfObjectGetResourceDesc, &got_resource, surface);
  EQUAL("the surface's array", got_resource.res.array.hArray == drawn, true);
  CALL(OK, cuSurfObjectDestroy, surface);
  CALL(INVALID, cuSurfObjectDestroy, surface);
}
