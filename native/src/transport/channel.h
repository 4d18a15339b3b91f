// One connection: a non-blocking socket, in the clear or under TLS 1.3 with an external PSK. One thread may read while another writes.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

struct s2n_connection;

namespace bitfusion::transport {

enum class TlsRole : uint8_t { kClient, kServer };

class Channel {
 public:
  Channel() = default;
  ~Channel() { close(); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Takes the descriptor over and makes it non-blocking, without Nagle's delay.
  void adopt(int fd);
  // Handshake within `deadline_ms`; `identity` is the session id as text. On failure says why in `error`.
  bool start_tls(TlsRole role, const char* identity, const uint8_t key[32], int deadline_ms, char* error, size_t error_size);
  void close();
  // Ends the connection for both sides, from any thread: pending and later reads and writes return kBroken.
  void shut();
  // In a forked child: forget the descriptor without telling the peer.
  void abandon();

  static constexpr ssize_t kBroken = -1;
  // Bytes moved, at least 1; 0: would block; kBroken: closed by the peer or failed.
  ssize_t read(void* data, size_t size);
  // Writes from `offset` (counted over all parts) on. After a 0 the next write must start with the same bytes.
  ssize_t write(const iovec* parts, int count, size_t offset);

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
  s2n_connection* tls_ = nullptr;
};

// Reads or writes exactly `size` bytes of a channel's blocking-free socket before a deadline (milliseconds); used before frames flow.
bool read_exactly(int fd, void* data, size_t size, int deadline_ms);
bool write_exactly(int fd, const void* data, size_t size, int deadline_ms);

// Waits until the descriptor is readable or writable, at most `timeout_ms` (-1: for ever). Returns poll's revents, 0 on time-out.
short wait_for(int fd, short events, int timeout_ms);

int64_t now_ns();
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

}  // namespace bitfusion::transport
