#include "worker/budget.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace bitfusion::worker {
namespace {

constexpr char kMagic[9] = "BFBUDGT1";

class FileLock {
 public:
  explicit FileLock(int fd) : fd_(fd) {
    while (flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() { flock(fd_, LOCK_UN); }

 private:
  int fd_;
};

int open_file(const std::string& path) {
  // glibc 2.17 has no memfd_create().
  int fd = path.empty() ? static_cast<int>(syscall(SYS_memfd_create, "bitfusion-budget", MFD_CLOEXEC))
                        : open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error("cannot open the memory account " + path + ": " + std::strerror(errno));
  return fd;
}

}  // namespace

Budget::Budget(const std::string& path, uint64_t limit) : fd_(open_file(path)), limit_(limit) {
  FileLock lock(fd_);
  if (lseek(fd_, 0, SEEK_END) < static_cast<off_t>(sizeof(File)) && ftruncate(fd_, sizeof(File)) != 0)
    throw std::runtime_error("cannot size the memory account " + path + ": " + std::strerror(errno));
  void* memory = mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map the memory account " + path + ": " + std::strerror(errno));
  file_ = static_cast<File*>(memory);
  std::memcpy(file_->magic, kMagic, sizeof(file_->magic));
  for (Slot& slot : file_->slots) {
    if (slot.pid) continue;
    slot = {};
    slot.pid = static_cast<uint32_t>(getpid());
    slot_ = &slot;
    return;
  }
  throw std::runtime_error("this session already has " + std::to_string(kMaxWorkers) + " client processes");
}

Budget::~Budget() {
  if (slot_) {
    FileLock lock(fd_);
    *slot_ = {};
  }
  munmap(file_, sizeof(File));
  close(fd_);
}

bool Budget::reserve(uint32_t gpu, uint64_t bytes) {
  if (gpu >= kMaxGpus) return false;
  FileLock lock(fd_);
  if (limit_) {
    uint64_t used = used_locked(gpu);
    if (used > limit_ || bytes > limit_ - used) return false;
  }
  slot_->bytes[gpu] += bytes;
  return true;
}

void Budget::release(uint32_t gpu, uint64_t bytes) {
  if (gpu >= kMaxGpus) return;
  FileLock lock(fd_);
  slot_->bytes[gpu] -= bytes < slot_->bytes[gpu] ? bytes : slot_->bytes[gpu];
}

uint64_t Budget::used(uint32_t gpu) const {
  if (gpu >= kMaxGpus) return 0;
  FileLock lock(fd_);
  return used_locked(gpu);
}

uint64_t Budget::used_here(uint32_t gpu) const { return gpu < kMaxGpus ? slot_->bytes[gpu] : 0; }

uint64_t Budget::used_locked(uint32_t gpu) const {
  uint64_t total = 0;
  for (const Slot& slot : file_->slots) {
    if (slot.pid) total += slot.bytes[gpu];
  }
  return total;
}

}  // namespace bitfusion::worker
