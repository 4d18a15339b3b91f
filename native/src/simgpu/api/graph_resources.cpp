// What graphs hold on to: memory of their nodes, and objects of the application.
#include "simgpu/graph_handles.h"
#include "simgpu/graph_memory.h"
#include "simgpu/user_object.h"

using namespace simgpu;

namespace {

CUresult object_from(CUuserObject handle, unsigned count, UserObject** object) {
  REQUIRE_INITIALIZED();
  *object = user_objects().get(handle);
  const bool good = *object != nullptr && count != 0 && count <= static_cast<unsigned>(INT32_MAX);
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult memory_device(CUdevice ordinal, Device** device) {
  REQUIRE_INITIALIZED();
  *device = device_at(ordinal);
  return *device != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

}  // namespace

extern "C" {

CUresult cuDeviceGetGraphMemAttribute(CUdevice ordinal, CUgraphMem_attribute attribute, void* value) {
  Device* device = nullptr;
  if (const CUresult bad = memory_device(ordinal, &device); bad != CUDA_SUCCESS) return bad;
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  return graph_memory_attribute(device->info->index, attribute, static_cast<uint64_t*>(value));
}

// The high-water marks can be set back, by zero only.
CUresult cuDeviceSetGraphMemAttribute(CUdevice ordinal, CUgraphMem_attribute attribute, void* value) {
  Device* device = nullptr;
  if (const CUresult bad = memory_device(ordinal, &device); bad != CUDA_SUCCESS) return bad;
  REQUIRE(value != nullptr && *static_cast<const uint64_t*>(value) == 0, CUDA_ERROR_INVALID_VALUE);
  return reset_graph_memory_attribute(device->info->index, attribute);
}

CUresult cuDeviceGraphMemTrim(CUdevice ordinal) {
  Device* device = nullptr;
  if (const CUresult bad = memory_device(ordinal, &device); bad != CUDA_SUCCESS) return bad;
  trim_graph_memory(device->info->index);
  return CUDA_SUCCESS;
}

CUresult cuUserObjectCreate(CUuserObject* out, void* pointer, CUhostFn destroy, unsigned int references, unsigned int flags) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && destroy != nullptr && flags == CU_USER_OBJECT_NO_DESTRUCTOR_SYNC, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(references != 0 && references <= static_cast<unsigned>(INT32_MAX), CUDA_ERROR_INVALID_VALUE);
  UserObject* object = user_objects().make(pointer, destroy, references);
  REQUIRE(object != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = reinterpret_cast<CUuserObject>(object);
  return CUDA_SUCCESS;
}

CUresult cuUserObjectRetain(CUuserObject handle, unsigned int count) {
  UserObject* object = nullptr;
  if (const CUresult bad = object_from(handle, count, &object); bad != CUDA_SUCCESS) return bad;
  retain_object(object, count);
  return CUDA_SUCCESS;
}

CUresult cuUserObjectRelease(CUuserObject handle, unsigned int count) {
  UserObject* object = nullptr;
  if (const CUresult bad = object_from(handle, count, &object); bad != CUDA_SUCCESS) return bad;
  return release_object(object, count) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphRetainUserObject(CUgraph graph_handle, CUuserObject handle, unsigned int count, unsigned int flags) {
  GRAPH(graph, graph_handle);
  UserObject* object = nullptr;
  if (const CUresult bad = object_from(handle, count, &object); bad != CUDA_SUCCESS) return bad;
  REQUIRE(flags == 0 || flags == CU_GRAPH_USER_OBJECT_MOVE, CUDA_ERROR_INVALID_VALUE);
  if (flags == 0) retain_object(object, count);
  graph->objects.adopt(object, count);
  return CUDA_SUCCESS;
}

CUresult cuGraphReleaseUserObject(CUgraph graph_handle, CUuserObject handle, unsigned int count) {
  GRAPH(graph, graph_handle);
  UserObject* object = nullptr;
  if (const CUresult bad = object_from(handle, count, &object); bad != CUDA_SUCCESS) return bad;
  return graph->objects.give_up(object, count) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // extern "C"
