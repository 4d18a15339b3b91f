// Sets of kernels (modules and libraries) and their kernels, as the client knows them once they have been loaded.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "bitfusion/product.h"
#include "interposer/caller.h"

namespace bitfusion::interposer {

struct Library;

struct Parameter {
  uint32_t offset, size;
};

// One kernel. Its memory stays valid for good, so that a launch needs no lock against an unload in another thread.
struct Kernel {
  Library* library = nullptr;
  std::string name;
  uint32_t number = 0;  // the server's
  std::vector<Parameter> parameters;
  size_t parameter_bytes = 0;
  uint64_t kernel_name = 0, function_name = 0;  // handles, minted when first asked for

  std::mutex mutex;                                                            // guards what follows
  std::unordered_map<int, std::array<int, FunctionTable::kCount>> attributes;  // by device
  std::unordered_map<uint64_t, int> occupancy;                                 // by a hash of the question
  // cuFuncSetBlockShape, cuParamSet*: the way to launch before CUDA 4.
  uint32_t block[3] = {1, 1, 1}, shared_bytes = 0;
  std::vector<std::byte> legacy_parameters;
};

struct LoadLog {
  char* text = nullptr;
  uint32_t room = 0;
  uint32_t* written = nullptr;  // where the option's value is: cuModuleLoadDataEx writes the length back there
};

// The log buffers among JIT options.
struct Logs {
  LoadLog info, error;
};

// Splits JIT options into log buffers, which stay here, and those that travel. Refuses addresses.
CUresult read_options(unsigned count, CUjit_option* options, void** values, Logs* logs, std::vector<LoadOption>* out);
// Takes the next text of a reply into a log buffer.
void read_log(wire::Reader& in, LoadLog* log);

// A file's bytes with a zero behind them, as PTX text wants it; empty: there is no such file.
std::vector<char> read_file(const char* path);

struct Library {
  uint64_t name = 0;
  uint64_t module_name = 0;  // handle of the module view
  bool is_library = false;   // cuLibraryLoadData rather than cuModuleLoad*
  std::span<const std::byte> image;
  std::vector<LoadOption> options;

  std::mutex mutex;  // guards what follows
  bool loaded = false;
  CUresult outcome = CUDA_SUCCESS;
  std::unordered_map<std::string, Kernel*> by_name;
  std::vector<Kernel*> kernels;
  bool complete = false;                                                   // the server could list all kernels
  std::unordered_map<std::string, std::pair<uint64_t, uint64_t>> globals;  // address and size by name
};

// The library behind a CUmodule or CUlibrary handle, else null.
Library* find_library(CUmodule module);
Library* find_library(CUlibrary library);
// The kernel behind a CUfunction or CUkernel handle, else null. cuLaunchKernel takes either.
Kernel* find_kernel(CUfunction function);
// The kernel that the server calls by this number, else null.
Kernel* kernel_of_number(uint32_t number);

// Loads what has been announced and not loaded yet.
CUresult ensure_loaded(const Caller& at, Library* library, LoadLog* info = nullptr, LoadLog* error = nullptr);
CUresult find_by_name(const Caller& at, Library* library, const char* name, Kernel** kernel);
CUresult find_global(const Caller& at, Library* library, const char* name, CUdeviceptr* address, size_t* size);
CUfunction function_handle(Kernel* kernel);
CUkernel kernel_handle(Kernel* kernel);

// cuModuleLoadData and its kin, for the runtime's private tables too.
CUresult load_module(CUmodule* out, const void* image, unsigned count, CUjit_option* options, void** values);

// One attribute of a kernel on a device, asked once.
CUresult kernel_attribute(const Caller& at, Kernel* kernel, CUfunction_attribute attribute, int device, int* value);

}  // namespace bitfusion::interposer
