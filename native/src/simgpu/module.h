// Modules (code with its variables in one context), libraries (code for all contexts), functions and kernels.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/exec/exec.h"
#include "simgpu/handle_table.h"

namespace simgpu {

struct Context;
struct Function;
struct Library;
struct LibraryKernel;

// JIT options of a load or link: where to write logs.
struct JitLogs {
  char* error = nullptr;
  unsigned error_size = 0;
  char* info = nullptr;
  unsigned info_size = 0;
  void** values = nullptr;
  int error_size_index = -1;  // the option's value becomes the number of bytes written
  int info_size_index = -1;
  void write(const std::string& message);
};
JitLogs read_jit_options(unsigned count, const CUjit_option* options, void** values);

struct FunctionAttributes {
  int max_dynamic_shared = 48 << 10;
  int preferred_carveout = -1;
  std::map<int, int> others;  // cluster settings and the like: kept, without effect
};

// A kernel in a module.
struct Function {
  struct Module* module = nullptr;
  std::shared_ptr<exec::Kernel> kernel;
  LibraryKernel* origin = nullptr;
  FunctionAttributes attributes;
  std::shared_ptr<const std::vector<uint64_t>> globals;
};

struct Module {
  Context* context = nullptr;
  Library* library = nullptr;
  std::shared_ptr<exec::Program> program;
  std::shared_ptr<std::vector<uint64_t>> globals;  // address of every variable, in the program's order
  std::map<std::string, Function*> functions;
  std::mutex lock;
};

// A kernel in a library: the same in every context.
struct LibraryKernel {
  Library* library = nullptr;
  std::shared_ptr<exec::Kernel> kernel;
  std::map<Context*, Function*> functions;
};

struct Library {
  std::shared_ptr<exec::Program> program;
  std::map<Context*, Module*> modules;
  std::map<std::string, LibraryKernel*> kernels;
  std::map<size_t, uint64_t> managed;  // addresses of managed variables, by their number: the same in all contexts
  std::mutex lock;
};

HandleTable<Module>& modules();
HandleTable<Function>& functions();
HandleTable<Library>& libraries();
HandleTable<LibraryKernel>& library_kernels();

// The error of a load that a module's kernels, or one of them, cause; written to the logs and to standard error.
CUresult load_failed(const exec::LoadError& error, JitLogs logs);

// Looks at every kernel of a program, since cuModuleLoadData of PTX text says at the load what is wrong with one.
CUresult check_kernels(const exec::Program& program, JitLogs logs);

// Scans an image. On failure the logs and standard error say why.
CUresult load_program(const void* image, JitLogs logs, std::shared_ptr<exec::Program>* program);
CUresult link_program(const std::vector<std::string>& texts, JitLogs logs, std::shared_ptr<exec::Program>* program);

// Gives a program's variables memory in a context.
CUresult instantiate(Context* context, std::shared_ptr<exec::Program> program, Library* library, Module** out);
void unload(Module* module);

// Where a library's managed variable lies; given memory, with its initial value, on first use. The caller holds the library's lock.
std::optional<uint64_t> managed_address(Library* library, size_t index);
void unload_modules(Context* context);

CUresult function_of(Module* module, const std::string& name, Function** out);
// The function of a library's kernel in a context, loading the library there on first use.
CUresult function_in(Context* context, LibraryKernel* kernel, Function** out);
CUresult library_module(Context* context, Library* library, Module** out);

// What a launch may be given: a CUfunction, or a CUkernel cast to one.
CUresult function_from_handle(Context* context, CUfunction handle, Function** out);

// Compiles the kernel if nobody has; the failure is on standard error once.
CUresult prepare(exec::Kernel* kernel);

CUresult function_attribute(const exec::Kernel& kernel, const FunctionAttributes& set, CUfunction_attribute attribute, int* value);
CUresult set_function_attribute(exec::Kernel* kernel, FunctionAttributes* set, CUfunction_attribute attribute, int value);

}  // namespace simgpu
