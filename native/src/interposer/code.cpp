#include "interposer/code.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer {
namespace {

// One kernel of a load's reply; the server's words are as untrusted as any.
Kernel* read_kernel(wire::Reader& in, Library* library) {
  auto* kernel = new Kernel;
  kernel->library = library;
  kernel->number = in.get<uint32_t>();
  const uint32_t count = in.get<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const auto parameter = in.get<Parameter>();
    kernel->parameters.push_back(parameter);
    kernel->parameter_bytes = std::max<size_t>(kernel->parameter_bytes, size_t{parameter.offset} + parameter.size);
  }
  kernel->name = in.text();
  if (in.ok() && kernel->parameter_bytes <= kMaxPayload / 2) return kernel;
  delete kernel;
  return nullptr;
}

std::mutex numbers_mutex;

std::unordered_map<uint32_t, Kernel*>& numbered() {
  static auto* const kernels = new std::unordered_map<uint32_t, Kernel*>;
  return *kernels;
}

void add_kernel(Library* library, Kernel* kernel) {
  {
    std::lock_guard lock(numbers_mutex);
    numbered()[kernel->number] = kernel;
  }
  library->kernels.push_back(kernel);
  library->by_name.emplace(kernel->name, kernel);
}

// A part of a load's list of kernels; where the next begins, 0 after the last.
CUresult read_page(wire::Reader& in, Library* library, uint32_t* next) {
  const auto page = in.get<KernelPage>();
  library->complete = library->complete && page.complete;
  for (uint32_t i = 0; i < page.count; ++i) {
    Kernel* kernel = read_kernel(in, library);
    if (!kernel) return CUDA_ERROR_DEVICE_UNAVAILABLE;
    add_kernel(library, kernel);
  }
  const bool forward = page.next == 0 || page.next > *next;
  *next = page.next;
  return in.ok() && forward ? CUDA_SUCCESS : CUDA_ERROR_DEVICE_UNAVAILABLE;
}

CUresult read_kernels(const Caller& at, wire::Reader& first, Library* library) {
  library->complete = true;
  uint32_t next = 0;
  CUresult status = read_page(first, library, &next);
  while (status == CUDA_SUCCESS && next) {
    transport::Reply reply;
    status = remote::ModuleKernels(at, library->name, next, reply);
    wire::Reader in = reply.in();
    if (status == CUDA_SUCCESS) status = read_page(in, library, &next);
  }
  return status;
}

CUresult request_load(const Caller& at, Library* library, bool with_image, transport::Reply& reply, LoadLog* info, LoadLog* error) {
  LoadRequest request = {};
  SHA256(reinterpret_cast<const uint8_t*>(library->image.data()), library->image.size(), request.hash);
  request.size = library->image.size();
  request.as_library = library->is_library;
  request.has_image = with_image;
  request.info_log_size = info ? info->room : 0;
  request.error_log_size = error ? error->room : 0;
  const wire::Bytes options = std::as_bytes(std::span(library->options));
  return remote::ModuleLoad(at, library->name, request, options, with_image ? library->image : wire::Bytes(), reply);
}

CUresult load(const Caller& at, Library* library, LoadLog* info, LoadLog* error) {
  for (bool with_image : {false, true}) {
    transport::Reply reply;
    const CUresult status = request_load(at, library, with_image, reply, info, error);
    wire::Reader in = reply.in();
    const auto outcome = static_cast<LoadOutcome>(in.get<uint32_t>());
    if (status == CUDA_SUCCESS && outcome == LoadOutcome::kNeedImage && !with_image) continue;
    read_log(in, info);
    read_log(in, error);
    if (status != CUDA_SUCCESS) return status;
    return read_kernels(at, in, library);
  }
  return CUDA_ERROR_INVALID_IMAGE;
}

CUresult ask_for_kernel(const Caller& at, Library* library, const char* name, Kernel** out) {
  transport::Reply reply;
  if (CUresult error = remote::FunctionFind(at, library->name, name, reply)) return error;
  wire::Reader in = reply.in();
  Kernel* kernel = read_kernel(in, library);
  if (!kernel) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  kernel->name = name;
  add_kernel(library, kernel);
  *out = kernel;
  return CUDA_SUCCESS;
}

template <typename T>
Library* library_of(T handle, Handle kind) {
  Slot* slot = handles().find(to_name(handle), kind);
  return slot ? static_cast<Library*>(slot->object) : nullptr;
}

uint64_t once(uint64_t& name, Handle kind, Kernel* kernel) {
  std::lock_guard lock(kernel->mutex);
  if (!handles().valid(name, kind)) name = handles().mint(kind, 0, 0, kernel);
  return name;
}

}  // namespace

void read_log(wire::Reader& in, LoadLog* log) {
  const std::string_view text = in.text();
  if (!log || !log->text || !log->room) return;
  const size_t size = std::min<size_t>(text.size(), log->room - 1);
  std::memcpy(log->text, text.data(), size);
  log->text[size] = 0;
  if (log->written) *log->written = static_cast<uint32_t>(size);
}

Library* find_library(CUmodule module) { return library_of(module, Handle::kModule); }
Library* find_library(CUlibrary library) { return library_of(library, Handle::kLibrary); }

Kernel* find_kernel(CUfunction function) {
  const uint64_t name = to_name(function);
  Slot* slot = handles().find(name, Handle::kFunction);
  if (!slot) slot = handles().find(name, Handle::kKernel);
  return slot ? static_cast<Kernel*>(slot->object) : nullptr;
}

Kernel* kernel_of_number(uint32_t number) {
  std::lock_guard lock(numbers_mutex);
  auto at = numbered().find(number);
  return at == numbered().end() ? nullptr : at->second;
}

CUresult ensure_loaded(const Caller& at, Library* library, LoadLog* info, LoadLog* error) {
  std::lock_guard lock(library->mutex);
  if (!library->loaded) {
    library->outcome = load(at, library, info, error);
    library->loaded = true;
  }
  return library->outcome;
}

CUresult find_by_name(const Caller& at, Library* library, const char* name, Kernel** kernel) {
  if (CUresult error = ensure_loaded(at, library)) return error;
  std::lock_guard lock(library->mutex);
  auto known = library->by_name.find(name);
  if (known != library->by_name.end()) {
    *kernel = known->second;
    return CUDA_SUCCESS;
  }
  return library->complete ? CUDA_ERROR_NOT_FOUND : ask_for_kernel(at, library, name, kernel);
}

CUresult find_global(const Caller& at, Library* library, const char* name, CUdeviceptr* address, size_t* size) {
  if (CUresult error = ensure_loaded(at, library)) return error;
  std::lock_guard lock(library->mutex);
  auto known = library->globals.find(name);
  if (known == library->globals.end()) {
    uint64_t base = 0, bytes = 0;
    if (CUresult error = remote::ModuleGlobal(at, library->name, name, &base, &bytes)) return error;
    if (!ranges().reserve(base, bytes))
      log(Level::kWarn, "variable %s lies at an address that this process uses; copies must say their direction", name);
    Range range;
    range.base = base;
    range.size = bytes;
    range.context = at.context;
    range.device = current()->device;
    range.memory = Memory::kGlobal;
    ranges().add(range);
    known = library->globals.emplace(name, std::pair(base, bytes)).first;
  }
  if (address) *address = known->second.first;
  if (size) *size = known->second.second;
  return CUDA_SUCCESS;
}

CUfunction function_handle(Kernel* kernel) { return (CUfunction)once(kernel->function_name, Handle::kFunction, kernel); }
CUkernel kernel_handle(Kernel* kernel) { return (CUkernel)once(kernel->kernel_name, Handle::kKernel, kernel); }

CUresult kernel_attribute(const Caller& at, Kernel* kernel, CUfunction_attribute attribute, int device, int* value) {
  if (attribute < 0 || static_cast<size_t>(attribute) >= FunctionTable::kCount) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(kernel->mutex);
  auto known = kernel->attributes.find(device);
  if (known == kernel->attributes.end()) {
    FunctionTable table;
    if (CUresult error = remote::FunctionAttributes(at, kernel->number, device, &table)) return error;
    known = kernel->attributes.emplace(device, std::to_array(table.attributes)).first;
  }
  *value = known->second[attribute];
  return CUDA_SUCCESS;
}

}  // namespace bitfusion::interposer
