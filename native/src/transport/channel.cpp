#include "transport/channel.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "transport/tls.h"

namespace bitfusion::transport {

int64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

short wait_for(int fd, short events, int timeout_ms) {
  pollfd entry{fd, events, 0};
  int ready;
  do {
    ready = poll(&entry, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 ? entry.revents : 0;
}

namespace {

// Milliseconds until `end`, 0 when it has passed.
int left_until(int64_t end) {
  int64_t left = end - now_ns();
  return left <= 0 ? 0 : static_cast<int>(left / 1'000'000) + 1;
}

bool retry(int fd, short events, int64_t end) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  int left = left_until(end);
  return left > 0 && wait_for(fd, events, left) != 0;
}

}  // namespace

bool read_exactly(int fd, void* data, size_t size, int deadline_ms) {
  int64_t end = now_ns() + int64_t{deadline_ms} * 1'000'000;
  auto at = static_cast<char*>(data);
  while (size > 0) {
    ssize_t got = recv(fd, at, size, MSG_DONTWAIT);
    if (got == 0) return false;
    if (got < 0) {
      if (!retry(fd, POLLIN, end)) return false;
      continue;
    }
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool write_exactly(int fd, const void* data, size_t size, int deadline_ms) {
  int64_t end = now_ns() + int64_t{deadline_ms} * 1'000'000;
  auto at = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t sent = send(fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (!retry(fd, POLLOUT, end)) return false;
      continue;
    }
    at += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

void Channel::adopt(int fd) {
  fd_ = fd;
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool Channel::start_tls(TlsRole role, const char* identity, const uint8_t key[32], int deadline_ms, char* error, size_t error_size) {
  tls_ = tls::connect(fd_, role, identity, key, now_ns() + int64_t{deadline_ms} * 1'000'000, error, error_size);
  return tls_ != nullptr;
}

void Channel::close() {
  if (tls_) tls::free(tls_);
  tls_ = nullptr;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Channel::shut() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

void Channel::abandon() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

ssize_t Channel::read(void* data, size_t size) {
  if (tls_) return tls::read(tls_, data, size);
  ssize_t got;
  do {
    got = recv(fd_, data, size, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got > 0) return got;
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : kBroken;
}

namespace {

// The parts from `offset` on, at most `limit` of them.
int tail_of(const iovec* parts, int count, size_t offset, iovec* tail, int limit) {
  int filled = 0;
  for (int i = 0; i < count && filled < limit; ++i) {
    if (offset >= parts[i].iov_len) {
      offset -= parts[i].iov_len;
      continue;
    }
    tail[filled++] = {static_cast<char*>(parts[i].iov_base) + offset, parts[i].iov_len - offset};
    offset = 0;
  }
  return filled;
}

}  // namespace

ssize_t Channel::write(const iovec* parts, int count, size_t offset) {
  if (tls_) return tls::write(tls_, parts, count, offset);
  iovec tail[4];
  msghdr message{};
  message.msg_iov = tail;
  message.msg_iovlen = static_cast<size_t>(tail_of(parts, count, offset, tail, 4));
  ssize_t sent;
  do {
    sent = sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : kBroken;
}

}  // namespace bitfusion::transport
