// Maps a compiled kernel: a relocatable ELF object whose only undefined symbols are helpers and math functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace simgpu::exec {

struct ThreadContext;
using KernelEntry = void (*)(ThreadContext*);

// The address behind a name that compiled code may use; nullptr if there is none.
void* find_helper(const char* name);

class CodeObject {
 public:
  // On failure returns nullptr and says why. The bytes come from our own cache directory but are checked all the same.
  static std::unique_ptr<CodeObject> load(const uint8_t* bytes, size_t size, std::string* error);
  CodeObject(const CodeObject&) = delete;
  CodeObject& operator=(const CodeObject&) = delete;
  ~CodeObject();

  KernelEntry entry() const { return entry_; }

 private:
  CodeObject() = default;
  friend class ObjectLoader;
  uint8_t* memory_ = nullptr;
  size_t size_ = 0;
  KernelEntry entry_ = nullptr;
};

}  // namespace simgpu::exec
