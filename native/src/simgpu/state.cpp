#include "simgpu/state.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

namespace simgpu {

namespace {

constexpr int kSlots = 1024;
constexpr uint64_t kLayout = 0x53494d4750550002;  // changes with the layout of the file

std::string environment(const char* name, const char* fallback) {
  const char* value = getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

uint64_t fnv1a(const std::string& text, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325 ^ seed;
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

// Two simulated servers have different state directories and so different GPUs.
std::array<uint8_t, 16> device_uuid(int index) {
  const std::string place = environment("SIMGPU_STATE", "simgpu");
  const std::string text = place + "#" + std::to_string(index);
  std::array<uint8_t, 16> uuid;
  const uint64_t words[2] = {fnv1a(text, 1), fnv1a(text, 2)};
  memcpy(uuid.data(), words, sizeof words);
  uuid[6] = (uuid[6] & 0x0f) | 0x40;
  uuid[8] = (uuid[8] & 0x3f) | 0x80;
  return uuid;
}

std::string uuid_text(const std::array<uint8_t, 16>& uuid) {
  std::string text = "GPU-";
  char digits[3];
  for (size_t i = 0; i < uuid.size(); i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    snprintf(digits, sizeof digits, "%02x", uuid[i]);
    text += digits;
  }
  return text;
}

DeviceInfo make_device(int index, const std::string& name, uint64_t memory) {
  DeviceInfo device{index, name, memory, device_uuid(index), "", 0, 0x13u + static_cast<unsigned>(index), 0, ""};
  device.uuid_text = uuid_text(device.uuid);
  char text[32];
  snprintf(text, sizeof text, "%08X:%02X:%02X.0", device.pci_domain, device.pci_bus, device.pci_device);
  device.pci_bus_id = text;
  return device;
}

std::vector<DeviceInfo> read_machine() {
  const int count = std::clamp(atoi(environment("SIMGPU_COUNT", "1").c_str()), 0, kMaxDevices);
  uint64_t memory = parse_size(environment("SIMGPU_MEMORY", "16GiB"));
  if (memory == 0) {
    fprintf(stderr, "simgpu: SIMGPU_MEMORY '%s' is not a size such as 16GiB; using 16GiB\n", getenv("SIMGPU_MEMORY"));
    memory = 16ull << 30;
  }
  std::vector<DeviceInfo> devices;
  for (int i = 0; i < count; i++) devices.push_back(make_device(i, environment("SIMGPU_NAME", "Simulated GPU"), memory));
  return devices;
}

// Start time of a process in clock ticks since boot; with the pid it names a process for good. 0: there is no such process.
uint64_t process_start_time(pid_t pid) {
  char path[40], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return 0;
  text[got] = '\0';
  const char* field = strrchr(text, ')');  // the name may hold anything; 20 fields follow it up to the start time
  if (field == nullptr || field[2] == 'Z' || field[2] == 'X') return 0;
  for (int i = 0; field != nullptr && i < 20; i++) field = strchr(field + 1, ' ');
  return field != nullptr ? strtoull(field, nullptr, 10) : 0;
}

}  // namespace

uint64_t parse_size(const std::string& text) {
  char* end = nullptr;
  const double number = strtod(text.c_str(), &end);
  if (end == text.c_str() || number <= 0) return 0;
  static const struct {
    const char* suffix;
    uint64_t scale;
  } kUnits[] = {{"", 1},           {"B", 1},
                {"K", 1ull << 10}, {"KiB", 1ull << 10},
                {"M", 1ull << 20}, {"MiB", 1ull << 20},
                {"G", 1ull << 30}, {"GiB", 1ull << 30},
                {"T", 1ull << 40}, {"TiB", 1ull << 40},
                {"MB", 1000000},   {"GB", 1000000000}};
  for (const auto& unit : kUnits) {
    if (strcmp(end, unit.suffix) == 0) return static_cast<uint64_t>(number * static_cast<double>(unit.scale));
  }
  return 0;
}

const std::vector<DeviceInfo>& machine_devices() {
  static const auto* devices = new std::vector<DeviceInfo>(read_machine());  // never destroyed: calls may come from other destructors
  return *devices;
}

int multiprocessor_count() {
  cpu_set_t cores;
  const int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 2;
  return std::max(count, 2);
}

// --- Shared figures ---------------------------------------------------------------------------------------------------------------------

struct SharedState::File {
  struct Slot {
    int64_t pid;  // 0: free
    uint64_t start_time;
    uint32_t attached;  // bit per GPU
    uint32_t reserved;
    uint64_t used[kMaxDevices];
  };
  uint64_t layout;
  std::atomic<uint64_t> busy[kMaxDevices];
  Slot slots[kSlots];

  Slot* find_or_add(int64_t pid);
  void reap();
  uint64_t used_on(int gpu) const;
};

// The caller holds the lock for all three.
SharedState::File::Slot* SharedState::File::find_or_add(int64_t pid) {
  for (Slot& slot : slots) {
    if (slot.pid == pid) return &slot;
  }
  reap();
  for (Slot& slot : slots) {
    if (slot.pid != 0) continue;
    slot = Slot{};
    slot.start_time = process_start_time(static_cast<pid_t>(pid));
    slot.pid = pid;
    return &slot;
  }
  return nullptr;
}

void SharedState::File::reap() {
  for (Slot& slot : slots) {
    if (slot.pid != 0 && process_start_time(static_cast<pid_t>(slot.pid)) != slot.start_time) slot = Slot{};
  }
}

uint64_t SharedState::File::used_on(int gpu) const {
  uint64_t sum = 0;
  for (const Slot& slot : slots) sum += slot.pid != 0 ? slot.used[gpu] : 0;
  return sum;
}

namespace {

std::mutex& thread_lock() {
  static auto* lock = new std::mutex;
  return *lock;
}

// Excludes the process's other threads and, where there is a file, the other processes. The kernel releases a dead process's lock.
class StateLock {
 public:
  explicit StateLock(int fd) : threads_(thread_lock()), fd_(fd) {
    while (fd_ >= 0 && flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~StateLock() {
    if (fd_ >= 0) flock(fd_, LOCK_UN);
  }
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;

 private:
  std::lock_guard<std::mutex> threads_;
  int fd_;
};

// Workers of different users share one machine, so the file is open to all who may enter the directory.
int open_state_file(const std::string& directory, size_t size) {
  mkdir(directory.c_str(), 0777);
  const std::string path = directory + "/simgpu";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) == 0) {
    if (fchmod(fd, 0666) != 0) errno = 0;  // another user's file: its owner has done so
    return fd;
  }
  fprintf(stderr, "simgpu: cannot use %s (%s); this process does not share its GPUs\n", path.c_str(), strerror(errno));
  if (fd >= 0) close(fd);
  return -1;
}

}  // namespace

SharedState& SharedState::get() {
  static auto* state = new SharedState;
  return *state;
}

SharedState::SharedState() {
  const std::string directory = environment("SIMGPU_STATE", "");
  if (!directory.empty()) fd_ = open_state_file(directory, sizeof(File));
  const int flags = fd_ >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* memory = mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, flags, fd_, 0);
  if (memory == MAP_FAILED) {
    perror("simgpu: cannot map the state of the GPUs");
    abort();
  }
  file_ = static_cast<File*>(memory);
  StateLock lock(fd_);
  if (file_->layout == kLayout) return;
  memset(memory, 0, sizeof(File));
  file_->layout = kLayout;
}

bool SharedState::charge(int gpu, uint64_t bytes) {
  StateLock lock(fd_);
  File::Slot* slot = file_->find_or_add(getpid());
  if (slot == nullptr) return false;
  const uint64_t size = machine_devices()[gpu].memory_bytes;
  if (bytes > size) return false;
  if (file_->used_on(gpu) > size - bytes) {
    file_->reap();
    if (file_->used_on(gpu) > size - bytes) return false;
  }
  slot->used[gpu] += bytes;
  slot->attached |= 1u << gpu;
  return true;
}

void SharedState::refund(int gpu, uint64_t bytes) {
  StateLock lock(fd_);
  File::Slot* slot = file_->find_or_add(getpid());
  if (slot != nullptr) slot->used[gpu] -= std::min(bytes, slot->used[gpu]);
}

void SharedState::attach(int gpu, bool attached) {
  StateLock lock(fd_);
  File::Slot* slot = file_->find_or_add(getpid());
  if (slot == nullptr) return;
  slot->attached = attached ? slot->attached | 1u << gpu : slot->attached & ~(1u << gpu);
}

void SharedState::add_busy(int gpu, uint64_t nanoseconds) { file_->busy[gpu].fetch_add(nanoseconds, std::memory_order_relaxed); }

uint64_t SharedState::busy_nanoseconds(int gpu) { return file_->busy[gpu].load(std::memory_order_relaxed); }

uint64_t SharedState::used(int gpu) {
  StateLock lock(fd_);
  file_->reap();
  return file_->used_on(gpu);
}

std::vector<ProcessUse> SharedState::processes(int gpu) {
  StateLock lock(fd_);
  file_->reap();
  std::vector<ProcessUse> found;
  for (const File::Slot& slot : file_->slots) {
    if (slot.pid != 0 && (slot.attached >> gpu & 1) != 0) found.push_back({static_cast<pid_t>(slot.pid), slot.used[gpu]});
  }
  return found;
}

}  // namespace simgpu
