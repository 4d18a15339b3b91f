// A C interface to exec.h for tests through ctypes: one arena, one program at a time, launches that block.
#include <sys/mman.h>

#include <cstring>
#include <mutex>
#include <string>

#include "simgpu/exec/exec.h"

namespace {

using namespace simgpu::exec;

constexpr uint64_t kArenaBytes = uint64_t{2} << 30;

struct Session {
  uint8_t* arena = nullptr;
  std::vector<uint8_t> granules;
  uint64_t used = 0;
  MemoryMap map;
  DeviceServices services;
  std::mutex mutex;
  std::string printed;
  std::string message;
  std::shared_ptr<Program> program;
  std::vector<uint64_t> globals;
  uint32_t cluster[3] = {1, 1, 1};

  Session() : granules(kArenaBytes >> kGranuleShift) {
    arena = static_cast<uint8_t*>(mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    map.base = reinterpret_cast<uint64_t>(arena);
    map.size = kArenaBytes;
    map.granules = granules.data();
    services.print = [this](std::string_view text) {
      const std::lock_guard lock(mutex);
      printed += text;
    };
    services.allocate = [this](uint64_t bytes) {
      const std::lock_guard lock(mutex);
      return allocate(bytes);
    };
    services.release = [](uint64_t) {};
  }

  // Every allocation gets granules of its own, with an invalid one behind.
  uint64_t allocate(uint64_t bytes) {
    const uint64_t size = (bytes + 4095) / 4096 * 4096;
    if (used + size + 4096 > kArenaBytes) return 0;
    const uint64_t at = used;
    std::memset(granules.data() + (at >> kGranuleShift), kReadable | kWritable, size >> kGranuleShift);
    used += size + 4096;
    return map.base + at;
  }

  void bind_globals() {
    globals.clear();
    for (const Global& global : program->globals()) {
      globals.push_back(allocate(global.size ? global.size : 1));
      std::memcpy(reinterpret_cast<void*>(globals.back()), global.initial.data(), global.initial.size());
    }
    for (size_t i = 0; i < globals.size(); ++i) {
      for (const Global::Relocation& relocation : program->globals()[i].relocations) {
        const uint64_t value = globals[relocation.target] + static_cast<uint64_t>(relocation.addend);
        std::memcpy(reinterpret_cast<void*>(globals[i] + relocation.offset), &value, sizeof(value));
      }
    }
  }
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT Session* exec_open() { return new Session; }
EXPORT const char* exec_message(Session* session) { return session->message.c_str(); }
EXPORT const char* exec_printed(Session* session) { return session->printed.c_str(); }
EXPORT uint64_t exec_allocate(Session* session, uint64_t bytes) { return session->allocate(bytes); }

// 0, or 1 + LoadError::Kind.
EXPORT int exec_load(Session* session, const char* const* texts, int count) {
  LoadError error;
  session->program = Program::load({texts, texts + count}, &error);
  session->message = error.message;
  if (!session->program) return 1 + static_cast<int>(error.kind);
  session->bind_globals();
  return 0;
}

EXPORT uint64_t exec_global(Session* session, const char* name) {
  for (size_t i = 0; i < session->globals.size(); ++i) {
    if (session->program->globals()[i].name == name) return session->globals[i];
  }
  return 0;
}

EXPORT int exec_kernel_count(Session* session) { return static_cast<int>(session->program->kernel_count()); }
EXPORT const char* exec_kernel_name(Session* session, int index) {
  return session->program->kernel(static_cast<size_t>(index))->info().name.c_str();
}

// 0, or 1 + LoadError::Kind; code: static shared, local bytes, registers, fibers.
EXPORT int exec_prepare(Session* session, const char* kernel, uint32_t* code) {
  const std::shared_ptr<Kernel> found = session->program->find_kernel(kernel);
  if (!found) return -1;
  if (const std::optional<LoadError> error = found->prepare()) {
    session->message = error->message;
    return 1 + static_cast<int>(error->kind);
  }
  const CodeInfo& info = found->code();
  const uint32_t values[] = {info.static_shared_bytes, info.local_bytes, info.registers, info.fibers};
  if (code) std::memcpy(code, values, sizeof(values));
  return 0;
}

// For the runs that follow.
EXPORT void exec_set_cluster(Session* session, const uint32_t* cluster) {
  std::memcpy(session->cluster, cluster, sizeof(session->cluster));
}

// Fault::Kind, -1: no such kernel.
EXPORT int exec_run(Session* session, const char* kernel, const uint32_t* grid, const uint32_t* block, uint32_t shared, const void* params,
                    int cooperative) {
  const std::shared_ptr<Kernel> found = session->program->find_kernel(kernel);
  if (!found) return -1;
  Launch launch;
  std::memcpy(launch.grid, grid, sizeof(launch.grid));
  std::memcpy(launch.block, block, sizeof(launch.block));
  std::memcpy(launch.cluster, session->cluster, sizeof(launch.cluster));
  launch.dynamic_shared_bytes = shared;
  launch.params = params;
  launch.globals = session->globals.data();
  launch.cooperative = cooperative != 0;
  launch.memory = &session->map;
  launch.services = &session->services;
  session->printed.clear();
  const Fault fault = found->run(launch);
  session->message = fault.message;
  return static_cast<int>(fault.kind);
}
