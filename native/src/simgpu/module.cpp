#include "simgpu/module.h"

#include <algorithm>
#include <cstring>

#include "simgpu/arena.h"
#include "simgpu/context.h"
#include "simgpu/image.h"
#include "simgpu/log.h"

namespace simgpu {

namespace {

constexpr size_t kMaxModules = 65536;
constexpr size_t kMaxFunctions = 1u << 20;
constexpr int kLargestDynamicShared = 99 << 10;

CUresult error_of(const exec::LoadError& error) {
  switch (error.kind) {
    case exec::LoadError::Kind::kInvalidPtx:
    case exec::LoadError::Kind::kUnresolved:
      return CUDA_ERROR_INVALID_PTX;
    case exec::LoadError::Kind::kUnsupported:
      return CUDA_ERROR_NO_BINARY_FOR_GPU;
    case exec::LoadError::Kind::kCompilerUnavailable:
      return CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
  }
  return CUDA_ERROR_UNKNOWN;
}

void write_log(char* buffer, unsigned size, const std::string& text, void** values, int size_index) {
  if (buffer == nullptr || size == 0) return;
  const size_t length = std::min<size_t>(text.size(), size - 1);
  memcpy(buffer, text.data(), length);
  buffer[length] = '\0';
  if (size_index >= 0) values[size_index] = reinterpret_cast<void*>(length);
}

}  // namespace

HandleTable<Module>& modules() {
  static auto* table = new HandleTable<Module>(kMaxModules);
  return *table;
}

HandleTable<Function>& functions() {
  static auto* table = new HandleTable<Function>(kMaxFunctions);
  return *table;
}

HandleTable<Library>& libraries() {
  static auto* table = new HandleTable<Library>(kMaxModules);
  return *table;
}

HandleTable<LibraryKernel>& library_kernels() {
  static auto* table = new HandleTable<LibraryKernel>(kMaxFunctions);
  return *table;
}

void JitLogs::write(const std::string& message) {
  write_log(error, error_size, message, values, error_size_index);
  write_log(info, info_size, "", values, info_size_index);
}

JitLogs read_jit_options(unsigned count, const CUjit_option* options, void** values) {
  JitLogs logs;
  logs.values = values;
  for (unsigned i = 0; options != nullptr && values != nullptr && i < count; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) logs.error = static_cast<char*>(values[i]);
    if (options[i] == CU_JIT_INFO_LOG_BUFFER) logs.info = static_cast<char*>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      logs.error_size = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
      logs.error_size_index = static_cast<int>(i);
    }
    if (options[i] == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES) {
      logs.info_size = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
      logs.info_size_index = static_cast<int>(i);
    }
  }
  return logs;
}

CUresult load_failed(const exec::LoadError& error, JitLogs logs) {
  logs.write(error.message);
  log_line("a module cannot be loaded: %s", error.message.c_str());
  return error_of(error);
}

CUresult check_kernels(const exec::Program& program, JitLogs logs) {
  const auto error = program.check();
  return error ? load_failed(*error, logs) : CUDA_SUCCESS;
}

CUresult link_program(const std::vector<std::string>& texts, JitLogs logs, std::shared_ptr<exec::Program>* program) {
  exec::LoadError error;
  std::vector<std::string_view> views(texts.begin(), texts.end());
  *program = exec::Program::load(views, &error);
  if (*program == nullptr) return load_failed(error, logs);
  logs.write("");
  return CUDA_SUCCESS;
}

CUresult load_program(const void* image, JitLogs logs, std::shared_ptr<exec::Program>* program) {
  const ImageResult read = read_image(image);
  if (read.error == CUDA_SUCCESS) return link_program(read.texts, logs, program);
  logs.write(read.message);
  log_line("a module cannot be loaded: %s", read.message.c_str());
  return read.error;
}

// --- Variables --------------------------------------------------------------------------------------------------------------------------

namespace {

std::optional<uint64_t> allocate_global(Context* context, const exec::Global& global) {
  Allocation wanted;
  wanted.size = std::max<uint64_t>(global.size, 1);
  wanted.kind = global.managed ? MemoryKind::kManaged : MemoryKind::kGlobal;
  wanted.gpu = context->gpu();
  wanted.context = context;
  return Arena::get().allocate(wanted);
}

// A library's managed variables are not its modules'.
bool is_librarys(const Library* library, const exec::Global& global) { return library != nullptr && global.managed; }

void initialise(const exec::Global& global, uint64_t place) {
  memcpy(reinterpret_cast<void*>(place), global.initial.data(), std::min<uint64_t>(global.initial.size(), global.size));
}

void initialise_globals(const std::vector<exec::Global>& globals, const std::vector<uint64_t>& places, const Library* library) {
  for (size_t i = 0; i < globals.size(); i++) {
    const exec::Global& global = globals[i];
    if (is_librarys(library, global)) continue;
    initialise(global, places[i]);
    auto* memory = reinterpret_cast<uint8_t*>(places[i]);
    for (const auto& relocation : global.relocations) {
      const uint64_t value = places[relocation.target] + static_cast<uint64_t>(relocation.addend);
      memcpy(memory + relocation.offset, &value, sizeof value);
    }
  }
}

}  // namespace

std::optional<uint64_t> managed_address(Library* library, size_t index) {
  const auto known = library->managed.find(index);
  if (known != library->managed.end()) return known->second;
  const exec::Global& global = library->program->globals()[index];
  Allocation wanted;
  wanted.size = std::max<uint64_t>(global.size, 1);
  wanted.kind = MemoryKind::kManaged;
  wanted.gpu = visible_devices().front()->info->index;
  const auto address = Arena::get().allocate(wanted);
  if (!address) return std::nullopt;
  initialise(global, *address);
  library->managed[index] = *address;
  return address;
}

namespace {

void release_globals(const std::vector<exec::Global>& globals, const std::vector<uint64_t>& places, const Library* library) {
  for (size_t i = 0; i < places.size(); i++) {
    if (!is_librarys(library, globals[i])) Arena::get().release(places[i]);
  }
}

}  // namespace

CUresult instantiate(Context* context, std::shared_ptr<exec::Program> program, Library* library, Module** out) {
  auto places = std::make_shared<std::vector<uint64_t>>();
  const std::vector<exec::Global>& globals = program->globals();
  for (size_t i = 0; i < globals.size(); i++) {
    const auto place = is_librarys(library, globals[i]) ? managed_address(library, i) : allocate_global(context, globals[i]);
    if (!place) {
      release_globals(globals, *places, library);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    places->push_back(*place);
  }
  initialise_globals(globals, *places, library);
  Module* module = modules().make();
  REQUIRE(module != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  module->context = context;
  module->library = library;
  module->program = std::move(program);
  module->globals = std::move(places);
  *out = module;
  return CUDA_SUCCESS;
}

void unload(Module* module) {
  for (const auto& [name, function] : module->functions) functions().destroy(function);
  release_globals(module->program->globals(), *module->globals, module->library);
  modules().destroy(module);
}

void unload_modules(Context* context) {
  for (Library* library : libraries().all()) {
    std::lock_guard<std::mutex> guard(library->lock);
    library->modules.erase(context);
    for (const auto& [name, kernel] : library->kernels) kernel->functions.erase(context);
  }
  for (Module* module : modules().all()) {
    if (module->context == context) unload(module);
  }
}

// --- Functions --------------------------------------------------------------------------------------------------------------------------

CUresult function_of(Module* module, const std::string& name, Function** out) {
  std::lock_guard<std::mutex> guard(module->lock);
  const auto known = module->functions.find(name);
  if (known != module->functions.end()) {
    *out = known->second;
    return CUDA_SUCCESS;
  }
  std::shared_ptr<exec::Kernel> kernel = module->program->find_kernel(name);
  REQUIRE(kernel != nullptr, CUDA_ERROR_NOT_FOUND);
  Function* function = functions().make();
  REQUIRE(function != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  function->module = module;
  function->kernel = std::move(kernel);
  function->globals = module->globals;
  module->functions[name] = function;
  *out = function;
  return CUDA_SUCCESS;
}

CUresult library_module(Context* context, Library* library, Module** out) {
  std::lock_guard<std::mutex> guard(library->lock);
  const auto known = library->modules.find(context);
  if (known != library->modules.end()) {
    *out = known->second;
    return CUDA_SUCCESS;
  }
  const CUresult result = instantiate(context, library->program, library, out);
  if (result == CUDA_SUCCESS) library->modules[context] = *out;
  return result;
}

CUresult function_in(Context* context, LibraryKernel* kernel, Function** out) {
  {
    std::lock_guard<std::mutex> guard(kernel->library->lock);
    const auto known = kernel->functions.find(context);
    if (known != kernel->functions.end()) {
      *out = known->second;
      return CUDA_SUCCESS;
    }
  }
  Module* module = nullptr;
  if (const CUresult bad = library_module(context, kernel->library, &module); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = function_of(module, kernel->kernel->info().name, out); bad != CUDA_SUCCESS) return bad;
  std::lock_guard<std::mutex> guard(kernel->library->lock);
  (*out)->origin = kernel;
  kernel->functions[context] = *out;
  return CUDA_SUCCESS;
}

CUresult function_from_handle(Context* context, CUfunction handle, Function** out) {
  *out = functions().get(handle);
  if (*out != nullptr) return (*out)->module->context == context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  LibraryKernel* kernel = library_kernels().get(handle);
  REQUIRE(kernel != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return function_in(context, kernel, out);
}

CUresult prepare(exec::Kernel* kernel) {
  const auto error = kernel->prepare();
  if (!error) return CUDA_SUCCESS;
  log_line("kernel %s cannot be compiled: %s", kernel->info().name.c_str(), error->message.c_str());
  return error_of(*error);
}

CUresult function_attribute(const exec::Kernel& kernel, const FunctionAttributes& set, CUfunction_attribute attribute, int* value) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = static_cast<int>(kernel.info().max_threads);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = static_cast<int>(kernel.code().static_shared_bytes);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = static_cast<int>(kernel.code().local_bytes);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = static_cast<int>(kernel.code().registers);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = kComputeMajor * 10 + kComputeMinor;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = set.max_dynamic_shared;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      *value = set.preferred_carveout;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
      *value = kernel.info().required_cluster[0] != 0;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
      if (kernel.info().required_cluster[0] == 0) break;
      *value = static_cast<int>(kernel.info().required_cluster[attribute - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH]);
      return CUDA_SUCCESS;
    default:
      break;
  }
  REQUIRE(attribute >= 0 && attribute < CU_FUNC_ATTRIBUTE_MAX, CUDA_ERROR_INVALID_VALUE);
  const auto found = set.others.find(attribute);
  *value = found != set.others.end() ? found->second : 0;
  return CUDA_SUCCESS;
}

CUresult set_function_attribute(exec::Kernel* kernel, FunctionAttributes* set, CUfunction_attribute attribute, int value) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      if (const CUresult bad = prepare(kernel); bad != CUDA_SUCCESS) return bad;
      REQUIRE(value >= 0 && value + static_cast<int>(kernel->code().static_shared_bytes) <= kLargestDynamicShared,
              CUDA_ERROR_INVALID_VALUE);
      set->max_dynamic_shared = value;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      REQUIRE(value >= -1 && value <= 100, CUDA_ERROR_INVALID_VALUE);
      set->preferred_carveout = value;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
      REQUIRE(value >= 0 && kernel->info().required_cluster[0] == 0, CUDA_ERROR_INVALID_VALUE);
      set->others[attribute] = value;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      set->others[attribute] = value;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace simgpu
