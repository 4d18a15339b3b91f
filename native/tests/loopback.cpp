#include "loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "transport/connect.h"
#include "wire/hello.h"

namespace bitfusion::test {
namespace {

constexpr char kSession[] = "0f8fad5b-d9cb-469f-a165-70867728950e";
constexpr int kDeadlineMs = 5'000;

int listen_on_loopback(uint16_t* port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) || listen(fd, 8) ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size))
    std::abort();
  *port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

Loopback::Loopback(bool tls, const worker::HandlerTable& table, worker::SessionConfig config) {
  uint16_t port = 0;
  listener_ = listen_on_loopback(&port);
  std::memcpy(allocation_.session, kSession, sizeof(kSession));
  allocation_.key.fill(7);
  allocation_.tls = tls;
  allocation_.address_count = 1;
  std::snprintf(allocation_.addresses[0], sizeof(allocation_.addresses[0]), "127.0.0.1:%u", port);
  config.session = kSession;
  if (config.cuda_library.empty()) config.cuda_library = std::getenv("BITFUSION_FAKE_DRIVER");
  session_ = std::make_unique<worker::Session>(config, table, "");
  acceptor_ = std::thread(&Loopback::accept_loop, this);
  runner_ = std::thread([this] { end_reason_ = session_->run(); });
  char error[400] = "";
  link_ = transport::Link::open(allocation_, {}, error, sizeof(error));
  if (link_) return;
  std::fprintf(stderr, "cannot connect: %s\n", error);
  std::exit(1);
}

Loopback::~Loopback() {
  finish("the test is over");
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  // The session's detached threads may still be leaving it; the test process ends soon.
  static_cast<void>(session_.release());
}

void Loopback::open_bulk(transport::Channel* channel) {
  transport::Identity identity{&allocation_, {}, {}};
  char error[400] = "";
  if (transport::open_connection(identity, wire::ConnectionKind::kBulk, channel, error, sizeof(error))) return;
  std::fprintf(stderr, "cannot connect: %s\n", error);
  std::exit(1);
}

std::string Loopback::finish(const std::string& reason) {
  session_->stop(reason);
  return wait_end();
}

std::string Loopback::wait_end() {
  if (runner_.joinable()) runner_.join();
  return end_reason_;
}

void Loopback::accept_loop() {
  for (;;) {
    int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    admit(fd);
  }
}

void Loopback::admit(int fd) {
  wire::Nonce nonce{};
  wire::Hello hello{};
  wire::Answer answer{};
  std::memcpy(nonce.magic, wire::kNonceMagic, 8);
  std::memcpy(answer.magic, wire::kAnswerMagic, 8);
  bool ok = transport::write_exactly(fd, &nonce, sizeof(nonce), kDeadlineMs) &&
            transport::read_exactly(fd, &hello, sizeof(hello), kDeadlineMs) &&
            transport::write_exactly(fd, &answer, sizeof(answer), kDeadlineMs);
  auto channel = std::make_unique<transport::Channel>();
  channel->adopt(fd);
  char error[200];
  if (ok && allocation_.tls)
    ok = channel->start_tls(transport::TlsRole::kServer, kSession, allocation_.key.data(), kDeadlineMs, error, sizeof(error));
  if (ok) session_->attach(std::move(channel), hello.kind == static_cast<uint16_t>(wire::ConnectionKind::kBulk));
}

}  // namespace bitfusion::test
