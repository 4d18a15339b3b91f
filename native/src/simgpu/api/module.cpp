// Modules, libraries, functions, kernels and the linker.
#include "simgpu/module.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "simgpu/arena.h"
#include "simgpu/context.h"
#include "simgpu/image.h"
#include "simgpu/launch.h"

using namespace simgpu;

namespace {

CUresult load_module(CUmodule* out, const void* image, JitLogs logs) {
  ENTER(context);
  REQUIRE(out != nullptr && image != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::shared_ptr<exec::Program> program;
  if (const CUresult bad = load_program(image, logs, &program); bad != CUDA_SUCCESS) return bad;
  if (is_text(image) && !null_kernels()) {
    if (const CUresult bad = check_kernels(*program, logs); bad != CUDA_SUCCESS) return bad;
  }
  Module* module = nullptr;
  const CUresult result = instantiate(context, std::move(program), nullptr, &module);
  *out = reinterpret_cast<CUmodule>(module);
  return result;
}

// A whole file with a NUL behind it, so that text in it ends.
CUresult read_file(const char* path, std::string* content) {
  REQUIRE(path != nullptr, CUDA_ERROR_INVALID_VALUE);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0, CUDA_ERROR_FILE_NOT_FOUND);
  char piece[65536];
  ssize_t got;
  while ((got = read(fd, piece, sizeof piece)) > 0) content->append(piece, static_cast<size_t>(got));
  close(fd);
  return got == 0 ? CUDA_SUCCESS : CUDA_ERROR_FILE_NOT_FOUND;
}

CUresult find_global(const Module& module, const char* name, CUdeviceptr* address, size_t* size) {
  REQUIRE(name != nullptr, CUDA_ERROR_INVALID_VALUE);
  const auto& globals = module.program->globals();
  for (size_t i = 0; i < globals.size(); i++) {
    if (globals[i].name != name) continue;
    if (address != nullptr) *address = (*module.globals)[i];
    if (size != nullptr) *size = globals[i].size;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_NOT_FOUND;
}

CUresult load_library(CUlibrary* out, const void* code, JitLogs logs) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && code != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::shared_ptr<exec::Program> program;
  if (const CUresult bad = load_program(code, logs, &program); bad != CUDA_SUCCESS) return bad;
  Library* library = libraries().make();
  REQUIRE(library != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  library->program = std::move(program);
  *out = reinterpret_cast<CUlibrary>(library);
  return CUDA_SUCCESS;
}

CUresult library_kernel(Library* library, const std::string& name, LibraryKernel** out) {
  std::lock_guard<std::mutex> guard(library->lock);
  const auto known = library->kernels.find(name);
  if (known != library->kernels.end()) {
    *out = known->second;
    return CUDA_SUCCESS;
  }
  std::shared_ptr<exec::Kernel> kernel = library->program->find_kernel(name);
  REQUIRE(kernel != nullptr, CUDA_ERROR_NOT_FOUND);
  *out = library_kernels().make();
  REQUIRE(*out != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  (*out)->library = library;
  (*out)->kernel = std::move(kernel);
  library->kernels[name] = *out;
  return CUDA_SUCCESS;
}

void unload_library(Library* library) {
  for (const auto& [context, module] : library->modules) unload(module);
  for (const auto& [name, kernel] : library->kernels) library_kernels().destroy(kernel);
  for (const auto& [index, address] : library->managed) Arena::get().release(address);
  libraries().destroy(library);
}

// A CUfunction, or a CUkernel cast to one, in the current context.
CUresult enter_function(CUfunction handle, Function** function) {
  ENTER(context);
  return function_from_handle(context, handle, function);
}

CUresult param_info(const exec::Kernel& kernel, size_t index, size_t* offset, size_t* size) {
  const auto& params = kernel.info().params;
  REQUIRE(offset != nullptr && index < params.size(), CUDA_ERROR_INVALID_VALUE);
  *offset = params[index].offset;
  if (size != nullptr) *size = params[index].size;
  return CUDA_SUCCESS;
}

CUresult attribute_of(exec::Kernel* kernel, const FunctionAttributes& set, CUfunction_attribute attribute, int* value) {
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = prepare(kernel); bad != CUDA_SUCCESS) return bad;
  return function_attribute(*kernel, set, attribute, value);
}

// The attributes a kernel has on one device: those of its function in that device's primary or current context.
CUresult kernel_on_device(CUkernel handle, CUdevice ordinal, Function** function) {
  REQUIRE_INITIALIZED();
  LibraryKernel* kernel = library_kernels().get(handle);
  REQUIRE(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  Device* device = device_at(ordinal);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE);
  Context* context = nullptr;
  if (enter(&context) != CUDA_SUCCESS || context->device != device) context = device->primary;
  REQUIRE(context != nullptr && context->active, CUDA_ERROR_INVALID_CONTEXT);
  return function_in(context, kernel, function);
}

struct LinkState {
  std::vector<std::string> texts;
  JitLogs logs;
  std::string result;
};

HandleTable<LinkState>& links() {
  static auto* table = new HandleTable<LinkState>(4096);
  return *table;
}

CUresult add_to_link(CUlinkState handle, const void* data, size_t size) {
  REQUIRE_INITIALIZED();
  LinkState* link = links().get(handle);
  REQUIRE(link != nullptr, CUDA_ERROR_INVALID_HANDLE);
  ImageResult read = read_image_sized(data, size);
  if (read.error != CUDA_SUCCESS) {
    link->logs.write(read.message);
    return read.error;
  }
  for (std::string& text : read.texts) link->texts.push_back(std::move(text));
  return CUDA_SUCCESS;
}

// Several modules' text as one image: cuLinkComplete's "cubin". The separator is a PTX comment that read_linked splits at.
CUresult complete_link(LinkState* link) {
  std::shared_ptr<exec::Program> program;
  if (const CUresult bad = link_program(link->texts, link->logs, &program); bad != CUDA_SUCCESS) return bad;
  link->result.clear();
  for (const std::string& text : link->texts) {
    if (!link->result.empty()) link->result += kLinkSeparator;
    link->result += text;
  }
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned int count, CUjit_option* options, void** values) {
  return load_module(out, image, read_jit_options(count, options, values));
}

CUresult cuModuleLoadData(CUmodule* out, const void* image) { return load_module(out, image, {}); }

CUresult cuModuleLoadFatBinary(CUmodule* out, const void* image) { return load_module(out, image, {}); }

CUresult cuModuleLoad(CUmodule* out, const char* path) {
  std::string content;
  if (const CUresult bad = read_file(path, &content); bad != CUDA_SUCCESS) return bad;
  return load_module(out, content.c_str(), {});
}

CUresult cuModuleUnload(CUmodule handle) {
  ENTER(context);
  Module* module = modules().get(handle);
  REQUIRE(module != nullptr && module->library == nullptr, CUDA_ERROR_INVALID_HANDLE);
  module->context->synchronize();
  unload(module);
  return context->sticky();
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  REQUIRE_INITIALIZED();
  REQUIRE(mode != nullptr, CUDA_ERROR_INVALID_VALUE);
  *mode = CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* out, CUmodule handle, const char* name) {
  ENTER(context);
  Module* module = modules().get(handle);
  REQUIRE(module != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr && name != nullptr, CUDA_ERROR_INVALID_VALUE);
  Function* function = nullptr;
  const CUresult result = function_of(module, name, &function);
  *out = reinterpret_cast<CUfunction>(function);
  return result;
}

CUresult cuModuleGetFunctionCount(unsigned int* count, CUmodule handle) {
  ENTER(context);
  const Module* module = modules().get(handle);
  REQUIRE(module != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  *count = static_cast<unsigned>(module->program->kernel_count());
  return CUDA_SUCCESS;
}

CUresult cuModuleEnumerateFunctions(CUfunction* out, unsigned int count, CUmodule handle) {
  ENTER(context);
  Module* module = modules().get(handle);
  REQUIRE(module != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr && count != 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < std::min<size_t>(count, module->program->kernel_count()); i++) {
    Function* function = nullptr;
    if (const CUresult bad = function_of(module, module->program->kernel(i)->info().name, &function); bad != CUDA_SUCCESS) return bad;
    out[i] = reinterpret_cast<CUfunction>(function);
  }
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* size, CUmodule handle, const char* name) {
  ENTER(context);
  const Module* module = modules().get(handle);
  REQUIRE(module != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return find_global(*module, name, address, size);
}

// --- Libraries --------------------------------------------------------------------------------------------------------------------------

CUresult cuLibraryLoadData(CUlibrary* out, const void* code, CUjit_option* options, void** values, unsigned int count, CUlibraryOption*,
                           void**, unsigned int) {
  return load_library(out, code, read_jit_options(count, options, values));
}

CUresult cuLibraryLoadFromFile(CUlibrary* out, const char* path, CUjit_option* options, void** values, unsigned int count, CUlibraryOption*,
                               void**, unsigned int) {
  std::string content;
  if (const CUresult bad = read_file(path, &content); bad != CUDA_SUCCESS) return bad;
  return load_library(out, content.c_str(), read_jit_options(count, options, values));
}

CUresult cuLibraryUnload(CUlibrary handle) {
  REQUIRE_INITIALIZED();
  Library* library = libraries().get(handle);
  REQUIRE(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  for (const auto& [context, module] : library->modules) context->synchronize();
  unload_library(library);
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernel(CUkernel* out, CUlibrary handle, const char* name) {
  REQUIRE_INITIALIZED();
  Library* library = libraries().get(handle);
  REQUIRE(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr && name != nullptr, CUDA_ERROR_INVALID_VALUE);
  LibraryKernel* kernel = nullptr;
  const CUresult result = library_kernel(library, name, &kernel);
  *out = reinterpret_cast<CUkernel>(kernel);
  return result;
}

CUresult cuLibraryGetKernelCount(unsigned int* count, CUlibrary handle) {
  REQUIRE_INITIALIZED();
  const Library* library = libraries().get(handle);
  REQUIRE(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  *count = static_cast<unsigned>(library->program->kernel_count());
  return CUDA_SUCCESS;
}

CUresult cuLibraryEnumerateKernels(CUkernel* out, unsigned int count, CUlibrary handle) {
  REQUIRE_INITIALIZED();
  Library* library = libraries().get(handle);
  REQUIRE(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr && count != 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < std::min<size_t>(count, library->program->kernel_count()); i++) {
    LibraryKernel* kernel = nullptr;
    if (const CUresult bad = library_kernel(library, library->program->kernel(i)->info().name, &kernel); bad != CUDA_SUCCESS) return bad;
    out[i] = reinterpret_cast<CUkernel>(kernel);
  }
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetModule(CUmodule* out, CUlibrary handle) {
  ENTER(context);
  Library* library = libraries().get(handle);
  REQUIRE(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  Module* module = nullptr;
  const CUresult result = library_module(context, library, &module);
  *out = reinterpret_cast<CUmodule>(module);
  return result;
}

CUresult cuLibraryGetGlobal(CUdeviceptr* address, size_t* size, CUlibrary handle, const char* name) {
  CUmodule module = nullptr;
  if (const CUresult bad = cuLibraryGetModule(&module, handle); bad != CUDA_SUCCESS) return bad;
  return find_global(*modules().get(module), name, address, size);
}

// Needs no context: the runtime asks before it has one.
CUresult cuLibraryGetManaged(CUdeviceptr* address, size_t* size, CUlibrary handle, const char* name) {
  REQUIRE_INITIALIZED();
  Library* library = libraries().get(handle);
  REQUIRE(library != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(name != nullptr, CUDA_ERROR_INVALID_VALUE);
  const auto& globals = library->program->globals();
  const auto found = std::find_if(globals.begin(), globals.end(), [name](const auto& each) { return each.managed && each.name == name; });
  REQUIRE(found != globals.end(), CUDA_ERROR_NOT_FOUND);
  std::lock_guard<std::mutex> guard(library->lock);
  const auto place = managed_address(library, static_cast<size_t>(found - globals.begin()));
  REQUIRE(place.has_value(), CUDA_ERROR_OUT_OF_MEMORY);
  if (address != nullptr) *address = *place;
  if (size != nullptr) *size = found->size;
  return CUDA_SUCCESS;
}

// --- Kernels and functions --------------------------------------------------------------------------------------------------------------

CUresult cuKernelGetFunction(CUfunction* out, CUkernel handle) {
  ENTER(context);
  LibraryKernel* kernel = library_kernels().get(handle);
  REQUIRE(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  Function* function = nullptr;
  const CUresult result = function_in(context, kernel, &function);
  *out = reinterpret_cast<CUfunction>(function);
  return result;
}

CUresult cuKernelGetLibrary(CUlibrary* out, CUkernel handle) {
  REQUIRE_INITIALIZED();
  const LibraryKernel* kernel = library_kernels().get(handle);
  REQUIRE(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  *out = reinterpret_cast<CUlibrary>(kernel->library);
  return CUDA_SUCCESS;
}

CUresult cuKernelGetName(const char** name, CUkernel handle) {
  REQUIRE_INITIALIZED();
  const LibraryKernel* kernel = library_kernels().get(handle);
  REQUIRE(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(name != nullptr, CUDA_ERROR_INVALID_VALUE);
  *name = kernel->kernel->info().name.c_str();
  return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel handle, size_t index, size_t* offset, size_t* size) {
  REQUIRE_INITIALIZED();
  const LibraryKernel* kernel = library_kernels().get(handle);
  REQUIRE(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return param_info(*kernel->kernel, index, offset, size);
}

CUresult cuKernelGetParamCount(CUkernel handle, size_t* count) {
  REQUIRE_INITIALIZED();
  const LibraryKernel* kernel = library_kernels().get(handle);
  REQUIRE(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  *count = kernel->kernel->info().params.size();
  return CUDA_SUCCESS;
}

CUresult cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel handle, CUdevice device) {
  Function* function = nullptr;
  if (const CUresult bad = kernel_on_device(handle, device, &function); bad != CUDA_SUCCESS) return bad;
  return attribute_of(function->kernel.get(), function->attributes, attribute, value);
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel handle, CUdevice device) {
  Function* function = nullptr;
  if (const CUresult bad = kernel_on_device(handle, device, &function); bad != CUDA_SUCCESS) return bad;
  return set_function_attribute(function->kernel.get(), &function->attributes, attribute, value);
}

CUresult cuKernelSetCacheConfig(CUkernel handle, CUfunc_cache, CUdevice) {
  REQUIRE_INITIALIZED();
  return library_kernels().get(handle) != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  return attribute_of(function->kernel.get(), function->attributes, attribute, value);
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  return set_function_attribute(function->kernel.get(), &function->attributes, attribute, value);
}

CUresult cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache) {
  Function* function = nullptr;
  return enter_function(handle, &function);
}

CUresult cuFuncSetSharedMemConfig(CUfunction handle, CUsharedconfig) {
  Function* function = nullptr;
  return enter_function(handle, &function);
}

CUresult cuFuncGetModule(CUmodule* out, CUfunction handle) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  *out = reinterpret_cast<CUmodule>(function->module);
  return CUDA_SUCCESS;
}

CUresult cuFuncGetName(const char** name, CUfunction handle) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(name != nullptr, CUDA_ERROR_INVALID_VALUE);
  *name = function->kernel->info().name.c_str();
  return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction handle, size_t index, size_t* offset, size_t* size) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  return param_info(*function->kernel, index, offset, size);
}

CUresult cuFuncGetParamCount(CUfunction handle, size_t* count) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  *count = function->kernel->info().params.size();
  return CUDA_SUCCESS;
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState* state, CUfunction handle) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(state != nullptr, CUDA_ERROR_INVALID_VALUE);
  *state = CU_FUNCTION_LOADING_STATE_LOADED;
  return CUDA_SUCCESS;
}

CUresult cuFuncLoad(CUfunction handle) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  return prepare(function->kernel.get());
}

// --- Linker -----------------------------------------------------------------------------------------------------------------------------

CUresult cuLinkCreate_v2(unsigned int count, CUjit_option* options, void** values, CUlinkState* out) {
  ENTER(context);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  LinkState* link = links().make();
  REQUIRE(link != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  link->logs = read_jit_options(count, options, values);
  *out = reinterpret_cast<CUlinkState>(link);
  return CUDA_SUCCESS;
}

CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType, void* data, size_t size, const char*, unsigned int, CUjit_option*, void**) {
  return add_to_link(state, data, size);
}

CUresult cuLinkAddFile_v2(CUlinkState state, CUjitInputType, const char* path, unsigned int, CUjit_option*, void**) {
  std::string content;
  if (const CUresult bad = read_file(path, &content); bad != CUDA_SUCCESS) return bad;
  return add_to_link(state, content.data(), content.size());
}

CUresult cuLinkComplete(CUlinkState handle, void** out, size_t* size) {
  REQUIRE_INITIALIZED();
  LinkState* link = links().get(handle);
  REQUIRE(link != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = complete_link(link); bad != CUDA_SUCCESS) return bad;
  *out = link->result.data();
  if (size != nullptr) *size = link->result.size() + 1;
  return CUDA_SUCCESS;
}

CUresult cuLinkDestroy(CUlinkState handle) {
  REQUIRE_INITIALIZED();
  LinkState* link = links().get(handle);
  REQUIRE(link != nullptr, CUDA_ERROR_INVALID_HANDLE);
  links().destroy(link);
  return CUDA_SUCCESS;
}

CUresult cuLinkCreate(unsigned int count, CUjit_option* options, void** values, CUlinkState* out) {
  return cuLinkCreate_v2(count, options, values, out);
}

CUresult cuLinkAddData(CUlinkState state, CUjitInputType type, void* data, size_t size, const char* name, unsigned int count,
                       CUjit_option* options, void** values) {
  return cuLinkAddData_v2(state, type, data, size, name, count, options, values);
}

CUresult cuLinkAddFile(CUlinkState state, CUjitInputType type, const char* path, unsigned int count, CUjit_option* options, void** values) {
  return cuLinkAddFile_v2(state, type, path, count, options, values);
}

}  // extern "C"
