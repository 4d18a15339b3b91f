// The linker, references, green contexts and what only some GPUs have.
#include <string>

#include "conformance.h"

GROUP(linker) {
  conformance::begin();
  CUlinkState state = nullptr;
  CALL_ON_GPU(OK, cuLinkCreate_v2, 0, nullptr, nullptr, &state);
  CALL_ON_GPU(INVALID, cuLinkCreate_v2, 0, nullptr, nullptr, nullptr);
  if (!state) return;
  auto* text = const_cast<char*>(conformance::kKernels);
  CALL(OK, cuLinkAddData_v2, state, CU_JIT_INPUT_PTX, text, std::strlen(text) + 1, "kernels", 0, nullptr, nullptr);
  CALL(INVALID, cuLinkAddData_v2, state, CU_JIT_INPUT_PTX, nullptr, 10, "kernels", 0, nullptr, nullptr);
  CALL(CUDA_ERROR_FILE_NOT_FOUND, cuLinkAddFile_v2, state, CU_JIT_INPUT_PTX, "/nowhere/kernels.ptx", 0, nullptr, nullptr);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuLinkAddData_v2, nullptr, CU_JIT_INPUT_PTX, text, 10, "kernels", 0, nullptr, nullptr);
  void* image = nullptr;
  size_t size = 0;
  CALL(OK, cuLinkComplete, state, &image, &size);
  EQUAL("there is an image", image != nullptr && size != 0, true);
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  CALL(OK, cuModuleLoadData, &module, image);
  CALL(OK, cuModuleGetFunction, &function, module, "add");
  CALL(OK, cuLinkDestroy, state);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuLinkDestroy, state);
}

GROUP(green_contexts) {
  conformance::begin();
  CUdevResource resource = {}, groups[4] = {}, rest = {};
  CALL_ON_GPU(OK, cuDeviceGetDevResource, 0, &resource, CU_DEV_RESOURCE_TYPE_SM);
  if (resource.type == CU_DEV_RESOURCE_TYPE_SM) CALL(INVALID, cuDeviceGetDevResource, 0, nullptr, CU_DEV_RESOURCE_TYPE_SM);
  if (resource.type != CU_DEV_RESOURCE_TYPE_SM) return;
  unsigned count = 4;
  CALL(OK, cuDevSmResourceSplitByCount, groups, &count, &resource, &rest, 0, 2);
  CUdevResourceDesc description = nullptr;
  CALL(OK, cuDevResourceGenerateDesc, &description, groups, 1);
  CUgreenCtx green = nullptr;
  CALL(OK, cuGreenCtxCreate, &green, description, 0, CU_GREEN_CTX_DEFAULT_STREAM);
  CUcontext context = nullptr;
  CALL(OK, cuCtxFromGreenCtx, &context, green);
  CUstream stream = nullptr;
  CALL(OK, cuGreenCtxStreamCreate, &stream, green, CU_STREAM_NON_BLOCKING, 0);
  CALL(OK, cuStreamDestroy_v2, stream);
  CALL(OK, cuGreenCtxDestroy, green);
  CALL(CUDA_ERROR_INVALID_CONTEXT, cuGreenCtxDestroy, green);
}

GROUP(texture_references) {
  conformance::begin();
  CUtexref reference = nullptr;
  CALL_ON_GPU(OK, cuTexRefCreate, &reference);
  if (!reference) return;
  CALL(OK, cuTexRefSetFormat, reference, CU_AD_FORMAT_FLOAT, 1);
  CALL(OK, cuTexRefSetFilterMode, reference, CU_TR_FILTER_MODE_LINEAR);
  CUfilter_mode mode;
  CALL(OK, cuTexRefGetFilterMode, &mode, reference);
  EQUAL("filter", mode, static_cast<int>(CU_TR_FILTER_MODE_LINEAR));
  CALL(OK, cuTexRefDestroy, reference);
}

GROUP(multicast) {
  conformance::begin();
  CUmulticastObjectProp property = {};
  property.numDevices = 2;
  property.size = 2 << 20;
  size_t granularity = 0;
  CUmemGenericAllocationHandle object = 0;
  CALL_ON_GPU(OK, cuMulticastGetGranularity, &granularity, &property, CU_MULTICAST_GRANULARITY_MINIMUM);
  CALL_ON_GPU(OK, cuMulticastCreate, &object, &property);
}

// What the product refuses is refused with the answer of a driver that cannot do it.
GROUP(refusals) {
  conformance::begin();
  int thread = 0;
  CALL(CUDA_ERROR_NOT_SUPPORTED, cuCheckpointProcessGetRestoreThreadId, 1, &thread);
  CUprocessState state;
  CALL(CUDA_ERROR_NOT_SUPPORTED, cuCheckpointProcessGetState, 1, &state);
  size_t size = 0;
  CALL(CUDA_ERROR_NOT_SUPPORTED, cuCoredumpGetAttribute, CU_COREDUMP_FILE, nullptr, &size);
  char luid[8];
  unsigned mask;
  CALL(CUDA_ERROR_NOT_SUPPORTED, cuDeviceGetLuid, luid, &mask, 0);
}
