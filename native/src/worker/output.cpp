#include "worker/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "wire/frame.h"

namespace bitfusion::worker {
namespace {

constexpr size_t kRead = 64u << 10;

[[noreturn]] void refuse(const char* what) {
  throw std::runtime_error(std::string("cannot catch what kernels print: ") + what + ": " + std::strerror(errno));
}

}  // namespace

Output::Output() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) refuse("pipe");
  std::fflush(stdout);
  pipe_ = ends[0];
  fcntl(pipe_, F_SETFL, O_NONBLOCK);
  saved_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  stop_ = eventfd(0, EFD_CLOEXEC);
  bool ours = stop_ >= 0 && dup2(ends[1], STDOUT_FILENO) >= 0;
  int error = errno;
  close(ends[1]);
  errno = error;
  if (!ours) refuse("descriptors");
  drainer_ = std::thread(&Output::serve, this);
}

Output::~Output() {
  std::fflush(stdout);
  if (saved_ >= 0)
    dup2(saved_, STDOUT_FILENO);
  else
    close(STDOUT_FILENO);
  eventfd_write(stop_, 1);
  drainer_.join();
  for (int fd : {pipe_, stop_, saved_}) close(fd);
}

Output::Text Output::take() {
  std::fflush(stdout);
  std::lock_guard guard(lock_);
  // No more than the pipe holds now: a kernel that never stops printing must not keep us here.
  int waiting = 0;
  ioctl(pipe_, FIONREAD, &waiting);
  for (size_t end = text_.bytes.size() + text_.dropped + static_cast<size_t>(waiting); text_.bytes.size() + text_.dropped < end;) {
    if (!drain_locked()) break;
  }
  return std::exchange(text_, {});
}

bool Output::drain_locked() {
  std::array<std::byte, kRead> room;
  ssize_t got = read(pipe_, room.data(), room.size());
  if (got <= 0) return false;
  size_t kept = std::min(static_cast<size_t>(got), wire::kMaxOutput - text_.bytes.size());
  text_.bytes.insert(text_.bytes.end(), room.begin(), room.begin() + static_cast<ptrdiff_t>(kept));
  text_.dropped += static_cast<size_t>(got) - kept;
  return true;
}

void Output::serve() {
  pollfd watched[2] = {{pipe_, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (true) {
    if (poll(watched, 2, -1) < 0 && errno != EINTR) return;
    if (watched[1].revents) return;
    std::lock_guard guard(lock_);
    drain_locked();
  }
}

}  // namespace bitfusion::worker
