#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/aead.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "transport/channel.h"

namespace bitfusion::bench {
namespace {

constexpr int kRoundTrips = 30'000;
// On a busy machine a measurement is cut short rather than drawn out.
constexpr int64_t kMeasureNs = 3'000'000'000;
constexpr size_t kCopy = 256u << 20;
constexpr size_t kPiece = 1u << 20;
constexpr int kCopies = 4;
constexpr int kDeadlineMs = 60'000;

std::pair<int, int> tcp_pair() {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) || listen(listener, 1) ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size))
    std::abort();
  int client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(client, reinterpret_cast<sockaddr*>(&address), size)) std::abort();
  int server = accept(listener, nullptr, nullptr);
  close(listener);
  int on = 1;
  for (int fd : {client, server}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return {client, server};
}

bool spin_read(int fd, void* data, size_t size) {
  ssize_t got;
  while ((got = recv(fd, data, size, MSG_DONTWAIT)) < 0) transport::relax();
  return got > 0;
}

void echo(int fd) {
  char message[32];
  while (spin_read(fd, message, sizeof(message))) send(fd, message, sizeof(message), MSG_NOSIGNAL);
}

}  // namespace

PingPong raw_ping_pong() {
  auto [client, server] = tcp_pair();
  std::thread peer(echo, server);
  std::vector<double> times;
  char message[32] = {};
  int64_t end = transport::now_ns() + kMeasureNs;
  for (int i = 0; i < kRoundTrips && transport::now_ns() < end; ++i) {
    int64_t start = transport::now_ns();
    send(client, message, sizeof(message), MSG_NOSIGNAL);
    spin_read(client, message, sizeof(message));
    times.push_back(static_cast<double>(transport::now_ns() - start) / 1000);
  }
  shutdown(client, SHUT_RDWR);
  peer.join();
  close(client);
  close(server);
  double sum = 0;
  for (double time : times) sum += time;
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], sum / static_cast<double>(times.size()), times[times.size() * 999 / 1000]};
}

// From one buffer into another that both stay in the cache, blocking calls: the best that one stream can do.
double raw_bandwidth() {
  auto [client, server] = tcp_pair();
  std::vector<char> from(kPiece, 1), to(kPiece);
  double best = 0;
  for (int round = 0; round < kCopies; ++round) {
    int64_t start = transport::now_ns();
    std::thread sender([&] {
      for (size_t sent = 0; sent < kCopy; sent += kPiece) transport::write_exactly(client, from.data(), kPiece, kDeadlineMs);
    });
    for (size_t got = 0; got < kCopy;) got += static_cast<size_t>(std::max<ssize_t>(recv(server, to.data(), kPiece, 0), 0));
    sender.join();
    best = std::max(best, static_cast<double>(kCopy) / static_cast<double>(transport::now_ns() - start));
  }
  close(client);
  close(server);
  return best;
}

double aes_gcm_rate(int key_bits) {
  constexpr size_t kRecord = 16384;
  constexpr int kRecords = 20'000;
  uint8_t key[32] = {1}, nonce[12] = {2};
  std::vector<uint8_t> record(kRecord + 32, 3);
  EVP_AEAD_CTX context;
  EVP_AEAD_CTX_init(&context, key_bits == 128 ? EVP_aead_aes_128_gcm() : EVP_aead_aes_256_gcm(), key, static_cast<size_t>(key_bits / 8), 16,
                    nullptr);
  int64_t start = transport::now_ns();
  for (int i = 0; i < kRecords; ++i) {
    size_t size = 0;
    EVP_AEAD_CTX_seal(&context, record.data(), &size, record.size(), nonce, sizeof(nonce), record.data(), kRecord, nullptr, 0);
  }
  auto elapsed = static_cast<double>(transport::now_ns() - start);
  EVP_AEAD_CTX_cleanup(&context);
  return static_cast<double>(kRecord) * kRecords / elapsed;
}

}  // namespace bitfusion::bench
