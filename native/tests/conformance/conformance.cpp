#include "conformance.h"

#include <cstdlib>

namespace conformance {
namespace {

Group* groups = nullptr;
unsigned wrong = 0, checks = 0;

std::string code(CUresult result) {
  const char* name = nullptr;
  auto get = reinterpret_cast<CUresult (*)(CUresult, const char**)>(entry("cuGetErrorName"));
  return get(result, &name) == CUDA_SUCCESS && name ? name : std::to_string(result);
}

}  // namespace

void* entry(const char* name) {
  static void* const library = dlopen("libcuda.so.1", RTLD_NOW);
  void* const found = library ? dlsym(library, name) : nullptr;
  if (found) return found;
  std::printf("%s: not in libcuda.so.1\n", name);
  std::exit(2);
}

CUresult note(const char* name, CUresult expected, CUresult got, bool unsimulated) {
  ++checks;
  const bool as_expected = got == expected || (unsimulated && got == CUDA_ERROR_NOT_SUPPORTED);
  wrong += !as_expected;
  std::printf("%s: %s%s%s\n", name, code(got).c_str(), as_expected ? "" : " WRONG, expected ", as_expected ? "" : code(expected).c_str());
  return got;
}

void show(const char* label, const std::string& value, const std::string& expected) {
  ++checks;
  const bool as_expected = value == expected;
  wrong += !as_expected;
  std::printf("  %s = %s%s%s\n", label, value.c_str(), as_expected ? "" : " WRONG, expected ", as_expected ? "" : expected.c_str());
}

Registered::Registered(const char* name, void (*run)()) : group{name, run, groups} { groups = &group; }

CUcontext begin() {
  CUcontext context = nullptr;
  CALL(OK, cuInit, 0);
  CALL(OK, cuDevicePrimaryCtxRetain, &context, 0);
  CALL(OK, cuCtxSetCurrent, context);
  return context;
}

CUdeviceptr allocate(size_t size) {
  CUdeviceptr address = 0;
  CALL(OK, cuMemAlloc_v2, &address, size);
  return address;
}

std::vector<uint32_t> read(CUdeviceptr address, size_t count) {
  std::vector<uint32_t> values(count);
  CALL(OK, cuMemcpyDtoH_v2, values.data(), address, count * sizeof(uint32_t));
  return values;
}

void write(CUdeviceptr address, const std::vector<uint32_t>& values) {
  CALL(OK, cuMemcpyHtoD_v2, address, values.data(), values.size() * sizeof(uint32_t));
}

CUmodule load_kernels() {
  static CUmodule module = nullptr;
  if (!module) CALL(OK, cuModuleLoadData, &module, kKernels);
  return module;
}

CUfunction kernel(const char* name) {
  CUfunction function = nullptr;
  CALL(OK, cuModuleGetFunction, &function, load_kernels(), name);
  return function;
}

const char kKernels[] = R"(
.version 8.0
.target sm_75
.address_size 64

.visible .global .align 4 .u32 counter = 7;

// data[i] += value
.visible .entry add(.param .u64 data, .param .u32 value, .param .u32 n)
{
    .reg .pred %p;
    .reg .b32 %r<8>;
    .reg .b64 %rd<4>;
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.s32 %r4, %r1, %r2, %r3;
    ld.param.u32 %r5, [n];
    setp.ge.u32 %p, %r4, %r5;
    @%p bra done;
    ld.param.u64 %rd1, [data];
    ld.param.u32 %r6, [value];
    mul.wide.u32 %rd2, %r4, 4;
    add.s64 %rd3, %rd1, %rd2;
    ld.global.u32 %r7, [%rd3];
    add.u32 %r7, %r7, %r6;
    st.global.u32 [%rd3], %r7;
done:
    ret;
}

.visible .entry nothing()
{
    ret;
}
)";

}  // namespace conformance

int main(int argc, char** argv) {
  using namespace conformance;
  for (Group* group = groups; group; group = group->next) {
    if (argc != 2) {
      std::printf("%s\n", group->name);
    } else if (!std::strcmp(group->name, argv[1])) {
      group->run();
      std::printf("%u checks, %u wrong\n", checks, wrong);
      return wrong ? 1 : 0;
    }
  }
  return argc == 2 ? 2 : 0;
}
