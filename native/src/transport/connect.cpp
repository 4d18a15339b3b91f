#include "transport/connect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "transport/tls.h"

namespace bitfusion::transport {
namespace {

constexpr int kConnectDeadlineMs = 5'000;
// The dispatcher answers after the worker has started.
constexpr int kAnswerDeadlineMs = 60'000;

struct Address {
  sockaddr_storage socket = {};
  socklen_t size = 0;
};

// "1.2.3.4:55001" or "[::1]:55001".
bool parse_address(const char* text, Address* address) {
  const char* colon = std::strrchr(text, ':');
  if (!colon) return false;
  bool v6 = *text == '[';
  char host[64] = {};
  size_t length = static_cast<size_t>(colon - text) - (v6 ? 2 : 0);
  if (length == 0 || length >= sizeof(host)) return false;
  std::memcpy(host, text + (v6 ? 1 : 0), length);
  uint16_t port = htons(static_cast<uint16_t>(std::strtoul(colon + 1, nullptr, 10)));
  if (v6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&address->socket);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    address->size = sizeof(*in6);
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
  }
  auto* in = reinterpret_cast<sockaddr_in*>(&address->socket);
  in->sin_family = AF_INET;
  in->sin_port = port;
  address->size = sizeof(*in);
  return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

// A connected socket, or -1 with errno.
int connect_to(const Address& address) {
  int fd = socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  int failure = connect(fd, reinterpret_cast<const sockaddr*>(&address.socket), address.size) == 0 ? 0 : errno;
  if (failure == EINPROGRESS) {
    socklen_t size = sizeof(failure);
    bool ready = wait_for(fd, POLLOUT, kConnectDeadlineMs) != 0;
    if (!ready)
      failure = ETIMEDOUT;
    else
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
  }
  if (!failure) return fd;
  ::close(fd);
  errno = failure;
  return -1;
}

void fill_hello(const Identity& identity, wire::ConnectionKind kind, const wire::Nonce& nonce, wire::Hello* hello) {
  *hello = {};
  std::memcpy(hello->magic, wire::kHelloMagic, 8);
  hello->protocol_major = wire::kProtocolMajor;
  hello->protocol_minor = wire::kProtocolMinor;
  hello->kind = static_cast<uint16_t>(kind);
  hello->flags = identity.allocation->tls ? wire::kTlsFollows : 0;
  std::memcpy(hello->spec_hash, identity.spec_hash, 32);
  std::memcpy(hello->session, identity.allocation->session_id.data(), 16);
  std::memcpy(hello->process, identity.process, 16);
  hello->pid = static_cast<uint32_t>(getpid());
  const iovec signed_parts[] = {{const_cast<uint8_t*>(nonce.random), 32}, {hello, offsetof(wire::Hello, hmac)}};
  tls::hmac_sha256(identity.allocation->key.data(), signed_parts, 2, hello->hmac);
}

bool introduce(int fd, const Identity& identity, wire::ConnectionKind kind, char* error, size_t error_size) {
  wire::Nonce nonce;
  if (!read_exactly(fd, &nonce, sizeof(nonce), kConnectDeadlineMs) || std::memcmp(nonce.magic, wire::kNonceMagic, 8)) {
    std::snprintf(error, error_size, "the peer does not greet as a dispatcher does");
    return false;
  }
  wire::Hello hello;
  fill_hello(identity, kind, nonce, &hello);
  wire::Answer answer;
  if (!write_exactly(fd, &hello, sizeof(hello), kConnectDeadlineMs) || !read_exactly(fd, &answer, sizeof(answer), kAnswerDeadlineMs) ||
      std::memcmp(answer.magic, wire::kAnswerMagic, 8)) {
    std::snprintf(error, error_size, "the dispatcher closed the connection without an answer");
    return false;
  }
  if (answer.code == 0) return true;
  std::snprintf(error, error_size, "refused: %.*s", static_cast<int>(sizeof(answer.reason)), answer.reason);
  return false;
}

}  // namespace

bool open_connection(const Identity& identity, wire::ConnectionKind kind, Channel* channel, char* error, size_t error_size) {
  const Allocation& allocation = *identity.allocation;
  char why[320] = "no address";
  for (uint32_t i = 0; i < allocation.address_count; ++i) {
    Address address;
    int fd = -1;
    if (!parse_address(allocation.addresses[i], &address))
      std::snprintf(why, sizeof(why), "not an address");
    else if ((fd = connect_to(address)) < 0)
      std::snprintf(why, sizeof(why), "%s", std::strerror(errno));
    if (fd >= 0) {
      channel->adopt(fd);
      bool admitted = introduce(fd, identity, kind, why, sizeof(why));
      if (admitted && (!allocation.tls || channel->start_tls(TlsRole::kClient, allocation.session, allocation.key.data(),
                                                             kConnectDeadlineMs, why, sizeof(why))))
        return true;
      channel->close();
    }
    std::snprintf(error, error_size, "cannot use the GPU server at %s: %s", allocation.addresses[i], why);
  }
  return false;
}

}  // namespace bitfusion::transport
