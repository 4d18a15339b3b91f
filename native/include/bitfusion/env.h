// Every environment variable that native code reads, in one place. The list and its meanings: docs/develop/architecture.md.
#pragma once

#include <cstdlib>
#include <cstring>

namespace bitfusion::env {

inline const char* get(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : fallback;
}

inline const char* allocation() { return get("BITFUSION_ALLOCATION", nullptr); }
inline const char* log_level() { return get("BITFUSION_LOG", "error"); }
inline const char* cuda_library() { return get("BITFUSION_CUDA_LIBRARY", "libcuda.so.1"); }
inline const char* nvml_library() { return get("BITFUSION_NVML_LIBRARY", "libnvidia-ml.so.1"); }
inline const char* simgpu_count() { return get("SIMGPU_COUNT", "1"); }
inline const char* simgpu_memory() { return get("SIMGPU_MEMORY", "16GiB"); }
inline const char* simgpu_name() { return get("SIMGPU_NAME", nullptr); }
inline const char* simgpu_state() { return get("SIMGPU_STATE", nullptr); }
inline const char* simgpu_cache() { return get("SIMGPU_CACHE", nullptr); }
inline const char* simgpu_compiler() { return get("SIMGPU_COMPILER", nullptr); }
inline const char* simgpu_faults() { return get("SIMGPU_FAULTS", ""); }
inline bool simgpu_debug() { return std::strcmp(get("SIMGPU_LOG", ""), "debug") == 0; }
inline bool simgpu_null_kernels() { return get("SIMGPU_NULL_KERNELS", "0")[0] == '1'; }

}  // namespace bitfusion::env
