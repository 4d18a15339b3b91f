// Modules and libraries.
//
// A module is loaded at the call, which reports its errors and logs. A library whose image stays valid (the runtime's fatbins) is loaded
// when a kernel or variable of it is first asked for. Either way the image is named by its hash first and sent only when the server lacks
// it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/code.h"
#include "interposer/image.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer {
namespace {

// Options whose value is an address or a table of addresses: they mean nothing to the server.
bool is_pointer(CUjit_option option) {
  return option == CU_JIT_GLOBAL_SYMBOL_NAMES || option == CU_JIT_GLOBAL_SYMBOL_ADDRESSES || option == CU_JIT_REFERENCED_KERNEL_NAMES ||
         option == CU_JIT_REFERENCED_VARIABLE_NAMES;
}

CUresult read_option(CUjit_option option, void** value, Logs* logs, std::vector<LoadOption>* options) {
  switch (option) {
    case CU_JIT_INFO_LOG_BUFFER:
      logs->info.text = static_cast<char*>(*value);
      return CUDA_SUCCESS;
    case CU_JIT_ERROR_LOG_BUFFER:
      logs->error.text = static_cast<char*>(*value);
      return CUDA_SUCCESS;
    case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
      logs->info.room = static_cast<uint32_t>(to_name(*value));
      logs->info.written = reinterpret_cast<uint32_t*>(value);
      return CUDA_SUCCESS;
    case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
      logs->error.room = static_cast<uint32_t>(to_name(*value));
      logs->error.written = reinterpret_cast<uint32_t*>(value);
      return CUDA_SUCCESS;
    case CU_JIT_WALL_TIME: {
      const float none = 0;
      std::memcpy(value, &none, sizeof none);
      return CUDA_SUCCESS;
    }
    default:
      break;
  }
  if (is_pointer(option)) {
    log_refusal("a JIT option with addresses", "addresses of this process mean nothing to the server");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  options->push_back({static_cast<uint32_t>(option), 0, to_name(*value)});
  return CUDA_SUCCESS;
}

Library* make_library(std::span<const std::byte> image, bool is_library, uint64_t context) {
  auto* library = new Library;
  library->image = image;
  library->is_library = is_library;
  library->name = handles().mint(Handle::kLibrary, is_library ? 0 : context, 0, library);
  return library;
}

// Its kernels' handles end with it; the memory stays, see Kernel.
CUresult unload(const Caller& at, Library* library) {
  std::lock_guard lock(library->mutex);
  for (Kernel* kernel : library->kernels) {
    handles().drop(kernel->function_name);
    handles().drop(kernel->kernel_name);
  }
  for (const auto& [name, global] : library->globals) ranges().remove(global.first, true);
  handles().drop(library->module_name);
  handles().drop(library->name);
  return library->loaded && library->outcome == CUDA_SUCCESS ? remote::ModuleUnload(at, library->name) : CUDA_SUCCESS;
}

CUmodule module_handle(Library* library, uint64_t context) {
  std::lock_guard lock(library->mutex);
  if (!library->module_name) library->module_name = handles().mint(Handle::kModule, context, 0, library);
  return (CUmodule)library->module_name;
}

CUresult load_library(CUlibrary* out, const void* code, Logs* logs, std::vector<LoadOption> options, bool preserved) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || !code) return CUDA_ERROR_INVALID_VALUE;
  const auto image = find_image(code);
  if (image.empty()) return CUDA_ERROR_INVALID_IMAGE;
  Library* library = make_library(image, true, 0);
  library->options = std::move(options);
  *out = (CUlibrary)library->name;
  if (preserved) return CUDA_SUCCESS;
  const CUresult status = ensure_loaded(at, library, &logs->info, &logs->error);
  library->image = {};
  if (status != CUDA_SUCCESS) handles().drop(library->name);
  return status;
}

bool stays_valid(unsigned count, CUlibraryOption* options, void** values) {
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == CU_LIBRARY_BINARY_IS_PRESERVED) return values && values[i];
  }
  return false;
}

CUresult count_kernels(const Caller& at, Library* library, unsigned* count) {
  if (CUresult error = ensure_loaded(at, library)) return error;
  std::lock_guard lock(library->mutex);
  if (!library->complete) return CUDA_ERROR_NOT_SUPPORTED;
  *count = static_cast<unsigned>(library->kernels.size());
  return CUDA_SUCCESS;
}

std::vector<Kernel*> first_kernels(Library* library, unsigned room) {
  std::lock_guard lock(library->mutex);
  const size_t count = std::min<size_t>(room, library->kernels.size());
  return {library->kernels.begin(), library->kernels.begin() + static_cast<ptrdiff_t>(count)};
}

}  // namespace

CUresult read_options(unsigned count, CUjit_option* options, void** values, Logs* logs, std::vector<LoadOption>* out) {
  if (count && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < count; ++i) {
    if (CUresult error = read_option(options[i], &values[i], logs, out)) return error;
  }
  return CUDA_SUCCESS;
}

std::vector<char> read_file(const char* path) {
  std::vector<char> bytes;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return bytes;
  struct stat about;
  if (fstat(fd, &about) == 0 && about.st_size > 0) {
    bytes.resize(static_cast<size_t>(about.st_size) + 1);
    size_t done = 0;
    ssize_t got;
    while (done + 1 < bytes.size() && (got = read(fd, bytes.data() + done, bytes.size() - 1 - done)) > 0) done += static_cast<size_t>(got);
  }
  close(fd);
  return bytes;
}

CUresult load_module(CUmodule* out, const void* code, unsigned count, CUjit_option* options, void** values) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out || !code) return CUDA_ERROR_INVALID_VALUE;
  Logs logs;
  std::vector<LoadOption> plain;
  if (CUresult error = read_options(count, options, values, &logs, &plain)) return error;
  const auto image = find_image(code);
  if (image.empty()) return CUDA_ERROR_INVALID_IMAGE;
  Library* library = make_library(image, false, at.context);
  library->options = std::move(plain);
  const CUresult status = ensure_loaded(at, library, &logs.info, &logs.error);
  library->image = {};
  if (status == CUDA_SUCCESS)
    *out = module_handle(library, at.context);
  else
    handles().drop(library->name);
  return status;
}

namespace api {

CUresult cuModuleLoadData(CUmodule* out, const void* code) { return load_module(out, code, 0, nullptr, nullptr); }
CUresult cuModuleLoadFatBinary(CUmodule* out, const void* code) { return load_module(out, code, 0, nullptr, nullptr); }
CUresult cuModuleLoadDataEx(CUmodule* out, const void* code, unsigned count, CUjit_option* options, void** values) {
  return load_module(out, code, count, options, values);
}

CUresult cuModuleLoad(CUmodule* out, const char* path) {
  if (!out || !path) return CUDA_ERROR_INVALID_VALUE;
  const std::vector<char> file = read_file(path);
  return !file.empty() ? load_module(out, file.data(), 0, nullptr, nullptr) : CUDA_ERROR_FILE_NOT_FOUND;
}

CUresult cuModuleUnload(CUmodule module) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Library* library = find_library(module);
  if (!library || library->is_library) return CUDA_ERROR_INVALID_HANDLE;
  return unload(at, library);
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  if (!mode) return CUDA_ERROR_INVALID_VALUE;
  *mode = CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* out, CUmodule module, const char* name) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
  Library* library = find_library(module);
  if (!library) return CUDA_ERROR_INVALID_HANDLE;
  Kernel* kernel;
  if (CUresult error = find_by_name(at, library, name, &kernel)) return error;
  *out = function_handle(kernel);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunctionCount(unsigned* count, CUmodule module) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Library* library = find_library(module);
  if (!count || !library) return count ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
  return count_kernels(at, library, count);
}

CUresult cuModuleEnumerateFunctions(CUfunction* out, unsigned room, CUmodule module) {
  unsigned total;
  if (!out || !room) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = api::cuModuleGetFunctionCount(&total, module)) return error;
  for (Kernel* kernel : first_kernels(find_library(module), room)) *out++ = function_handle(kernel);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* size, CUmodule module, const char* name) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Library* library = find_library(module);
  if (!name || (!address && !size)) return CUDA_ERROR_INVALID_VALUE;
  return library ? find_global(at, library, name, address, size) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuLibraryLoadData(CUlibrary* out, const void* code, CUjit_option* options, void** values, unsigned count,
                           CUlibraryOption* library_options, void** library_values, unsigned library_count) {
  Logs logs;
  std::vector<LoadOption> plain;
  if (library_count && !library_options) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = read_options(count, options, values, &logs, &plain)) return error;
  return load_library(out, code, &logs, std::move(plain), stays_valid(library_count, library_options, library_values));
}

CUresult cuLibraryLoadFromFile(CUlibrary* out, const char* path, CUjit_option* options, void** values, unsigned count, CUlibraryOption*,
                               void**, unsigned) {
  if (!out || !path) return CUDA_ERROR_INVALID_VALUE;
  Logs logs;
  std::vector<LoadOption> plain;
  if (CUresult error = read_options(count, options, values, &logs, &plain)) return error;
  const std::vector<char> file = read_file(path);
  return !file.empty() ? load_library(out, file.data(), &logs, std::move(plain), false) : CUDA_ERROR_FILE_NOT_FOUND;
}

CUresult cuLibraryUnload(CUlibrary handle) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  Library* library = find_library(handle);
  return library ? unload(at, library) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuLibraryGetKernel(CUkernel* out, CUlibrary handle, const char* name) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
  Library* library = find_library(handle);
  if (!library) return CUDA_ERROR_INVALID_HANDLE;
  Kernel* kernel;
  if (CUresult error = find_by_name(at, library, name, &kernel)) return error;
  *out = kernel_handle(kernel);
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernelCount(unsigned* count, CUlibrary handle) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  Library* library = find_library(handle);
  if (!count || !library) return count ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
  return count_kernels(at, library, count);
}

CUresult cuLibraryEnumerateKernels(CUkernel* out, unsigned room, CUlibrary handle) {
  unsigned total;
  if (!out || !room) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = api::cuLibraryGetKernelCount(&total, handle)) return error;
  for (Kernel* kernel : first_kernels(find_library(handle), room)) *out++ = kernel_handle(kernel);
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetModule(CUmodule* out, CUlibrary handle) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Library* library = find_library(handle);
  if (!out || !library) return out ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = ensure_loaded(at, library)) return error;
  *out = module_handle(library, 0);
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetGlobal(CUdeviceptr* address, size_t* size, CUlibrary handle, const char* name) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Library* library = find_library(handle);
  if (!name || (!address && !size)) return CUDA_ERROR_INVALID_VALUE;
  return library ? find_global(at, library, name, address, size) : CUDA_ERROR_INVALID_HANDLE;
}

}  // namespace api
}  // namespace bitfusion::interposer
