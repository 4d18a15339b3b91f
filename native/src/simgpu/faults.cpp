// Faults injected into the simulated GPUs; see Faults in state.h for the words.
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "bitfusion/env.h"
#include "simgpu/state.h"

namespace simgpu {

namespace {

constexpr uint64_t kLookEveryNs = 100'000'000;

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void set_bit(uint32_t* bits, long gpu) {
  if (gpu >= 0 && gpu < kMaxDevices) *bits |= 1u << gpu;
}

void parse_word(const std::string& word, Faults* faults) {
  const size_t split = word.find('=');
  const std::string name = word.substr(0, split);
  const std::string value = split == std::string::npos ? "" : word.substr(split + 1);
  const long gpu = strtol(value.c_str(), nullptr, 10);
  if (name == "lost") {
    set_bit(&faults->lost, gpu);
  } else if (name == "oom") {
    set_bit(&faults->out_of_memory, gpu);
  } else if (name == "ecc") {
    set_bit(&faults->ecc, gpu);
  } else if (name == "slow_copy") {
    faults->copy_mib_per_second = strtoull(value.c_str(), nullptr, 10);
  } else if (name == "xid" && value.find(':') != std::string::npos && gpu >= 0 && gpu < kMaxDevices) {
    faults->xid[static_cast<size_t>(gpu)] = atoi(value.c_str() + value.find(':') + 1);
  } else {
    fprintf(stderr, "simgpu: unknown fault '%s'; known are lost=GPU oom=GPU ecc=GPU xid=GPU:NUMBER slow_copy=MIB_PER_SECOND\n",
            word.c_str());
  }
}

Faults parse(const std::string& text) {
  Faults faults;
  size_t start = 0;
  while ((start = text.find_first_not_of(" \t\r\n", start)) != std::string::npos) {
    size_t end = text.find_first_of(" \t\r\n", start);
    if (end == std::string::npos) end = text.size();
    parse_word(text.substr(start, end - start), &faults);
    start = end;
  }
  return faults;
}

std::string read_text(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  char text[4096];
  const ssize_t got = read(fd, text, sizeof text);
  close(fd);
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : "";
}

// Re-reads the file when its time stamp or size has changed.
class FaultSource {
 public:
  FaultSource() {
    const char* directory = bitfusion::env::simgpu_state();
    if (directory != nullptr) path_ = std::string(directory) + "/faults";
    environment_ = bitfusion::env::simgpu_faults();
    faults_ = parse(environment_);
  }

  Faults get() {
    if (path_.empty()) return faults_;
    std::lock_guard<std::mutex> lock(lock_);
    if (now_ns() >= look_again_) look();
    return faults_;
  }

 private:
  void look() {
    look_again_ = now_ns() + kLookEveryNs;
    struct stat info{};
    const bool exists = stat(path_.c_str(), &info) == 0;
    const int64_t stamp = exists ? info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec + info.st_size : 0;
    if (stamp == stamp_) return;
    stamp_ = stamp;
    faults_ = parse(exists ? read_text(path_) : environment_);
  }

  std::string path_;
  std::string environment_;
  std::mutex lock_;
  uint64_t look_again_ = 0;
  int64_t stamp_ = 0;
  Faults faults_;
};

}  // namespace

Faults current_faults() {
  static auto* source = new FaultSource;
  return source->get();
}

}  // namespace simgpu
