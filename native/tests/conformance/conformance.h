// The conformance suite: groups of driver calls, right and wrong, each with the answer that a driver gives.
//
// A group runs in a process of its own, once straight on the driver and once through the product; both must print the same. It says
// WRONG where an answer is not the documented one.
#pragma once

#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace conformance {

// The library under test, opened once; its symbols are looked up by name, so that every variant of a call can be asked for.
void* entry(const char* name);
// Prints the answer of a call; `unsimulated`: the simulated driver may not have it and then refuses.
CUresult note(const char* name, CUresult expected, CUresult got, bool unsimulated = false);
void show(const char* label, const std::string& value, const std::string& expected);

inline std::string text(const std::string& value) { return value; }
inline std::string text(const char* value) { return value ? value : "null"; }
template <typename T>
std::string text(T value) {
  if constexpr (std::is_same_v<T, bool>) return value ? "yes" : "no";
  if constexpr (std::is_enum_v<T>) return std::to_string(static_cast<long long>(value));
  if constexpr (std::is_arithmetic_v<T>) return std::to_string(value);
  if constexpr (std::is_pointer_v<T>) return value ? "something" : "null";
}

template <typename... Params, typename... Args>
CUresult call(const char* name, CUresult (*)(Params...), CUresult expected, bool unsimulated, Args... args) {
  auto function = reinterpret_cast<CUresult (*)(Params...)>(entry(name));
  return note(name, expected, function(static_cast<Params>(args)...), unsimulated);
}

template <typename T, typename U>
void equal(const char* label, T value, U expected) {
  show(label, text(value), text(expected));
}

// A handle that nobody made, and one that was: of another kind, freed, or garbage.
template <typename T>
T garbage() {
  return (T)0x1230;
}

struct Group {
  const char* name;
  void (*run)();
  Group* next;
};
struct Registered {
  Registered(const char* name, void (*run)());
  Group group;
};

// --- What groups begin with --------------------------------------------------------------------------------------------------------------

// cuInit and the primary context of device 0, current.
CUcontext begin();
// A module with the kernels below, and one of them.
extern const char kKernels[];
CUmodule load_kernels();
CUfunction kernel(const char* name);
CUdeviceptr allocate(size_t size);
std::vector<uint32_t> read(CUdeviceptr address, size_t count);
void write(CUdeviceptr address, const std::vector<uint32_t>& values);

}  // namespace conformance

// CALL(expected, function, arguments...): the answer must be `expected`.
#define CALL(expected, name, ...) conformance::call(#name, name, expected, false __VA_OPT__(, ) __VA_ARGS__)
// The same for what the simulated driver may lack.
#define CALL_ON_GPU(expected, name, ...) conformance::call(#name, name, expected, true __VA_OPT__(, ) __VA_ARGS__)
#define OK CUDA_SUCCESS
#define INVALID CUDA_ERROR_INVALID_VALUE
// EQUAL("what", value, expected)
#define EQUAL(label, value, expected) conformance::equal(label, value, expected)
#define GROUP(name)                                                    \
  static void run_##name();                                            \
  static conformance::Registered registered_##name(#name, run_##name); \
  static void run_##name()
