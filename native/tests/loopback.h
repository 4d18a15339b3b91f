// A client's Link and a worker's Session in one process, joined over TCP on loopback by a listener that plays the dispatcher.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "transport/link.h"
#include "worker/session.h"

namespace bitfusion::test {

class Loopback {
 public:
  // `config` needs no session name; without a library it is the made-up driver's.
  Loopback(bool tls, const worker::HandlerTable& table, worker::SessionConfig config = {});
  ~Loopback();

  transport::Link& link() { return *link_; }
  worker::Session& session() { return *session_; }
  // A bulk connection without the link's manners.
  void open_bulk(transport::Channel* channel);
  // Ends the session and returns its reason.
  std::string finish(const std::string& reason);
  std::string wait_end();

 private:
  void accept_loop();
  void admit(int fd);

  transport::Allocation allocation_;
  int listener_ = -1;
  std::unique_ptr<worker::Session> session_;
  transport::Link* link_ = nullptr;
  std::string end_reason_;
  std::thread acceptor_;
  std::thread runner_;
};

}  // namespace bitfusion::test
