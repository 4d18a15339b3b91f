// Loading device code, and what may be asked about kernels.
#include <algorithm>

#include "bitfusion/launch_attributes.h"
#include "calls/calls.h"
#include "worker/handlers/jit_options.h"

namespace bitfusion::worker::calls {
namespace {

// Two logs and a page of kernels fit into one reply.
constexpr size_t kMaxPage = 384u << 10;
constexpr size_t kMaxKernels = 1u << 20;
static_assert(2 * JitOptions::kMaxLog + kMaxPage + 64 < wire::kMaxReply);

CUresult load_image(State& state, bool as_library, const void* image, JitOptions& options, CodeSet* set) {
  if (!as_library) return state.cuda.cuModuleLoadDataEx(&set->module, image, options.count(), options.keys(), options.values());
  if (!state.cuda.cuLibraryLoadData) return CUDA_ERROR_NOT_SUPPORTED;
  return state.cuda.cuLibraryLoadData(&set->library, image, options.keys(), options.values(), options.count(), nullptr, nullptr, 0);
}

CUresult unload(State& state, const CodeSet& set) {
  const CUresult status = set.library ? state.cuda.cuLibraryUnload(set.library) : state.cuda.cuModuleUnload(set.module);
  state.accounts.give_back(set.device, set.bytes);
  return status;
}

// The driver does not say what variables take; the process's own figure does. A library's come into being with its module in the
// context.
CUresult load_within_partition(Call& call, bool as_library, const void* image, JitOptions& options, CodeSet* set) {
  State& state = state_of(call);
  if (!state.executor.budget().limit()) return load_image(state, as_library, image, options, set);
  set->device = state.device_of(call.header);
  set->context = state.account_of(call.header);
  const uint64_t before = state.unaccounted(set->device);
  if (CUresult error = load_image(state, as_library, image, options, set)) return error;
  CUmodule module;
  if (as_library && call.header.context) state.cuda.cuLibraryGetModule(&module, set->library);  // what fails fails again at the first use
  const uint64_t after = state.unaccounted(set->device);
  const uint64_t bytes = after - std::min(before, after);
  if (state.reserve(set->device, bytes)) {
    set->bytes = bytes;
    return CUDA_SUCCESS;
  }
  unload(state, *set);
  return CUDA_ERROR_OUT_OF_MEMORY;
}

// Parameter layout; false: the driver is too old to say.
bool read_layout(State& state, Function* function, std::vector<uint32_t>* sizes) {
  const auto info = [&](size_t i, size_t* offset, size_t* size) {
    if (function->is_kernel) return state.cuda.cuKernelGetParamInfo(reinterpret_cast<CUkernel>(function->handle), i, offset, size);
    return state.cuda.cuFuncGetParamInfo(function->handle, i, offset, size);
  };
  if (function->is_kernel ? !state.cuda.cuKernelGetParamInfo : !state.cuda.cuFuncGetParamInfo) return false;
  size_t offset, size;
  for (size_t i = 0; info(i, &offset, &size) == CUDA_SUCCESS; ++i) {
    function->offsets.push_back(static_cast<uint32_t>(offset));
    sizes->push_back(static_cast<uint32_t>(size));
    function->parameter_bytes = std::max(function->parameter_bytes, static_cast<uint32_t>(offset + size));
  }
  return true;
}

// A kernel before it has a number.
struct Described {
  Function function;
  std::vector<uint32_t> sizes;  // of its parameters
  std::string_view name;

  size_t bytes() const { return 3 * sizeof(uint32_t) + sizes.size() * 2 * sizeof(uint32_t) + name.size(); }
};

bool describe(State& state, uint64_t set_name, CUfunction handle, bool is_kernel, std::string_view name, Described* out) {
  *out = {{set_name, handle, is_kernel, 0, {}}, {}, name};
  return read_layout(state, &out->function, &out->sizes);
}

void put_function(State& state, CodeSet* set, const Described& kernel, ReplyBuffer* reply) {
  const uint32_t number = state.add_function(kernel.function);
  set->functions.push_back(number);
  reply->put(number);
  reply->put(static_cast<uint32_t>(kernel.sizes.size()));
  for (size_t i = 0; i < kernel.sizes.size(); ++i) {
    reply->put(kernel.function.offsets[i]);
    reply->put(kernel.sizes[i]);
  }
  reply->text(kernel.name);
}

// All kernels of a set, where the driver lists them.
bool list_kernels(State& state, const CodeSet& set, std::vector<CUfunction>* kernels) {
  unsigned count = 0;
  if (set.library) {
    if (!state.cuda.cuLibraryEnumerateKernels || !state.cuda.cuKernelGetName) return false;
    if (state.cuda.cuLibraryGetKernelCount(&count, set.library) != CUDA_SUCCESS || count > kMaxKernels) return false;
    kernels->resize(count);
    return !count || state.cuda.cuLibraryEnumerateKernels(reinterpret_cast<CUkernel*>(kernels->data()), count, set.library) == CUDA_SUCCESS;
  }
  if (!state.cuda.cuModuleEnumerateFunctions || !state.cuda.cuFuncGetName) return false;
  if (state.cuda.cuModuleGetFunctionCount(&count, set.module) != CUDA_SUCCESS || count > kMaxKernels) return false;
  kernels->resize(count);
  return !count || state.cuda.cuModuleEnumerateFunctions(kernels->data(), count, set.module) == CUDA_SUCCESS;
}

const char* name_of(State& state, CUfunction handle, bool is_kernel) {
  const char* name = nullptr;
  const CUresult status =
      is_kernel ? state.cuda.cuKernelGetName(&name, reinterpret_cast<CUkernel>(handle)) : state.cuda.cuFuncGetName(&name, handle);
  return status == CUDA_SUCCESS ? name : nullptr;
}

// The kernels from place `first` in the driver's list on, as many as fit. Those that cannot be listed are found by their names.
void put_kernels(Call& call, uint64_t set_name, CodeSet* set, uint32_t first) {
  State& state = state_of(call);
  std::vector<CUfunction> kernels;
  const bool is_kernel = set->library != nullptr;
  KernelPage page = {list_kernels(state, *set, &kernels), 0, 0};
  ReplyBuffer bytes;
  for (size_t i = first; i < kernels.size() && !page.next; ++i) {
    const char* name = name_of(state, kernels[i], is_kernel);
    Described kernel;
    if (!name || !describe(state, set_name, kernels[i], is_kernel, name, &kernel) || kernel.bytes() > kMaxPage) {
      page.complete = 0;
    } else if (bytes.data().size() + kernel.bytes() > kMaxPage) {
      page.next = static_cast<uint32_t>(i);
    } else {
      put_function(state, set, kernel, &bytes);
      ++page.count;
    }
  }
  call.reply.put(page);
  call.reply.bytes(bytes.data().data(), bytes.data().size());
}

void put_outcome(Call& call, LoadOutcome outcome, const JitOptions& options) {
  call.reply.put(static_cast<uint32_t>(outcome));
  call.reply.text(options.info());
  call.reply.text(options.error());
}

// A kernel's own handle, or the function it is in the frame's context.
CUresult as_function(State& state, const Function& function, CUfunction* out) {
  if (function.is_kernel) return state.cuda.cuKernelGetFunction(out, reinterpret_cast<CUkernel>(function.handle));
  *out = function.handle;
  return CUDA_SUCCESS;
}

CUresult find(Call& call, uint32_t number, std::shared_ptr<const Function>* function) {
  *function = state_of(call).function(number);
  return *function ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

}  // namespace

CUresult ModuleLoad(Call& call, uint64_t name, LoadRequest request, wire::Bytes plain_options, wire::Bytes image) {
  State& state = state_of(call);
  JitOptions options(plain_options, request.info_log_size, request.error_log_size);
  std::vector<std::byte> cached;
  if (request.has_image) {
    state.images.store(image);
    cached.assign(image.begin(), image.end());
  } else if (!state.images.load(request.hash, request.size, &cached)) {
    put_outcome(call, LoadOutcome::kNeedImage, options);
    return CUDA_SUCCESS;
  }
  cached.resize(cached.size() + 1);  // PTX is text; whatever it is, it must end
  CodeSet set;
  const CUresult status = load_within_partition(call, request.as_library, cached.data(), options, &set);
  put_outcome(call, LoadOutcome::kLoaded, options);
  if (status != CUDA_SUCCESS) return status;
  put_kernels(call, name, &set, 0);
  state.add_code_set(name, std::move(set));
  return CUDA_SUCCESS;
}

CUresult ModuleKernels(Call& call, uint64_t name, uint32_t first) {
  CodeSet* set = state_of(call).code_set(name);
  if (!set) return CUDA_ERROR_INVALID_HANDLE;
  put_kernels(call, name, set, first);
  return CUDA_SUCCESS;
}

CUresult ModuleUnload(Call& call, uint64_t name) {
  State& state = state_of(call);
  CodeSet* set = state.code_set(name);
  if (!set) return CUDA_ERROR_INVALID_HANDLE;
  const CodeSet gone = *set;
  state.remove_code_set(name);
  return unload(state, gone);
}

CUresult ModuleGlobal(Call& call, uint64_t name, const std::string& variable, uint64_t* address, uint64_t* size) {
  State& state = state_of(call);
  CodeSet* set = state.code_set(name);
  if (!set) return CUDA_ERROR_INVALID_HANDLE;
  CUdeviceptr base = 0;
  size_t bytes = 0;
  const CUresult status = set->library ? state.cuda.cuLibraryGetGlobal(&base, &bytes, set->library, variable.c_str())
                                       : state.cuda.cuModuleGetGlobal_v2(&base, &bytes, set->module, variable.c_str());
  *address = base;
  *size = bytes;
  return status;
}

CUresult FunctionFind(Call& call, uint64_t name, const std::string& function) {
  State& state = state_of(call);
  CodeSet* set = state.code_set(name);
  if (!set) return CUDA_ERROR_INVALID_HANDLE;
  CUfunction handle = nullptr;
  const bool is_kernel = set->library != nullptr;
  const CUresult status = is_kernel ? state.cuda.cuLibraryGetKernel(reinterpret_cast<CUkernel*>(&handle), set->library, function.c_str())
                                    : state.cuda.cuModuleGetFunction(&handle, set->module, function.c_str());
  Described kernel;
  if (status != CUDA_SUCCESS) return status;
  if (!describe(state, name, handle, is_kernel, function, &kernel)) return CUDA_ERROR_NOT_SUPPORTED;
  put_function(state, set, kernel, &call.reply);
  return CUDA_SUCCESS;
}

CUresult FunctionAttributes(Call& call, uint32_t number, int device, FunctionTable* table) {
  State& state = state_of(call);
  std::shared_ptr<const Function> function;
  if (CUresult error = find(call, number, &function)) return error;
  for (int i = 0; i < CU_FUNC_ATTRIBUTE_MAX && i < static_cast<int>(FunctionTable::kCount); ++i) {
    const auto attribute = static_cast<CUfunction_attribute>(i);
    int value = -1;
    const CUresult status = function->is_kernel
                                ? state.cuda.cuKernelGetAttribute(&value, attribute, reinterpret_cast<CUkernel>(function->handle), device)
                                : state.cuda.cuFuncGetAttribute(&value, attribute, function->handle);
    if (i == 0 && status != CUDA_SUCCESS) return status;
    table->attributes[i] = status == CUDA_SUCCESS ? value : -1;
  }
  return CUDA_SUCCESS;
}

CUresult FunctionSetAttribute(Call& call, uint32_t number, int attribute, int setting, int device) {
  State& state = state_of(call);
  std::shared_ptr<const Function> function;
  if (CUresult error = find(call, number, &function)) return error;
  const auto which = static_cast<CUfunction_attribute>(attribute);
  if (function->is_kernel) return state.cuda.cuKernelSetAttribute(which, setting, reinterpret_cast<CUkernel>(function->handle), device);
  return state.cuda.cuFuncSetAttribute(function->handle, which, setting);
}

CUresult FunctionSetCacheConfig(Call& call, uint32_t number, int config, int device) {
  State& state = state_of(call);
  std::shared_ptr<const Function> function;
  if (CUresult error = find(call, number, &function)) return error;
  const auto wanted = static_cast<CUfunc_cache>(config);
  if (function->is_kernel) return state.cuda.cuKernelSetCacheConfig(reinterpret_cast<CUkernel>(function->handle), wanted, device);
  return state.cuda.cuFuncSetCacheConfig(function->handle, wanted);
}

CUresult OccupancyBlocks(Call& call, uint32_t number, int block_size, uint64_t dynamic, uint32_t flags, int* blocks) {
  State& state = state_of(call);
  std::shared_ptr<const Function> function;
  CUfunction handle;
  if (CUresult error = find(call, number, &function)) return error;
  if (CUresult error = as_function(state, *function, &handle)) return error;
  return state.cuda.cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, handle, block_size, dynamic, flags);
}

CUresult OccupancyDynamicMemory(Call& call, uint32_t number, int blocks, int block_size, uint64_t* bytes) {
  State& state = state_of(call);
  std::shared_ptr<const Function> function;
  CUfunction handle;
  if (CUresult error = find(call, number, &function)) return error;
  if (CUresult error = as_function(state, *function, &handle)) return error;
  size_t room = 0;
  const CUresult status = state.cuda.cuOccupancyAvailableDynamicSMemPerBlock(&room, handle, blocks, block_size);
  *bytes = room;
  return status;
}

namespace {

std::vector<CUlaunchAttribute> read_attributes(wire::Bytes bytes) {
  std::vector<CUlaunchAttribute> attributes(bytes.size() / sizeof(CUlaunchAttribute));
  if (!attributes.empty()) std::memcpy(attributes.data(), bytes.data(), attributes.size() * sizeof(CUlaunchAttribute));
  for (const CUlaunchAttribute& attribute : attributes) {
    if (!is_plain_launch_attribute(attribute.id))
      throw BadFrame{"launch attribute " + std::to_string(attribute.id) + ", which may not travel"};
  }
  return attributes;
}

CUlaunchConfig config_of(const LaunchShape& shape, CUstream stream, std::vector<CUlaunchAttribute>& attributes) {
  CUlaunchConfig config = {};
  config.gridDimX = shape.grid[0];
  config.gridDimY = shape.grid[1];
  config.gridDimZ = shape.grid[2];
  config.blockDimX = shape.block[0];
  config.blockDimY = shape.block[1];
  config.blockDimZ = shape.block[2];
  config.sharedMemBytes = shape.shared_bytes;
  config.hStream = stream;
  config.attrs = attributes.data();
  config.numAttrs = static_cast<unsigned>(attributes.size());
  return config;
}

}  // namespace

CUresult OccupancyClusters(Call& call, uint32_t number, LaunchShape shape, wire::Bytes bytes, uint32_t largest, int* answer) {
  State& state = state_of(call);
  std::shared_ptr<const Function> function;
  CUfunction handle;
  if (CUresult error = find(call, number, &function)) return error;
  if (CUresult error = as_function(state, *function, &handle)) return error;
  auto attributes = read_attributes(bytes);
  const CUlaunchConfig config = config_of(shape, nullptr, attributes);
  const auto ask = largest ? state.cuda.cuOccupancyMaxPotentialClusterSize : state.cuda.cuOccupancyMaxActiveClusters;
  return ask ? ask(answer, handle, &config) : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult Launch(Call& call, CUstream stream, uint32_t number, LaunchShape shape, wire::Bytes bytes, wire::Bytes parameters) {
  State& state = state_of(call);
  std::shared_ptr<const Function> function;
  if (CUresult error = find(call, number, &function)) return error;
  if (parameters.size() < function->parameter_bytes) throw BadFrame{"Launch: fewer parameter bytes than the kernel has"};
  constexpr size_t kMaxParameters = 4096;
  void* each[kMaxParameters];
  if (function->offsets.size() > kMaxParameters) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < function->offsets.size(); ++i) each[i] = const_cast<std::byte*>(parameters.data()) + function->offsets[i];
  const auto& [gx, gy, gz] = shape.grid;
  const auto& [bx, by, bz] = shape.block;
  if (shape.cooperative) {
    return state.cuda.cuLaunchCooperativeKernel(function->handle, gx, gy, gz, bx, by, bz, shape.shared_bytes, stream, each);
  }
  if (bytes.empty()) {
    return state.cuda.cuLaunchKernel(function->handle, gx, gy, gz, bx, by, bz, shape.shared_bytes, stream, each, nullptr);
  }
  auto attributes = read_attributes(bytes);
  const CUlaunchConfig config = config_of(shape, stream, attributes);
  return state.cuda.cuLaunchKernelEx ? state.cuda.cuLaunchKernelEx(&config, function->handle, each, nullptr) : CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace bitfusion::worker::calls
