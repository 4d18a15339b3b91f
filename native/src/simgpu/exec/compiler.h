// The compiler process (native/ptx/service.py) and the cache of what it has answered.
#pragma once

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simgpu::exec {

// A message of the protocol that service.py describes.
struct Message {
  std::string header;
  std::string payload;
};

class Compiler {
 public:
  // The compiler of this process. Never destroyed; the service ends when its socket closes with the process.
  static Compiler& instance();

  // The cached answer, else the service's (which is cached if it begins with "ok"). `name` is the cache's file name.
  // Nothing: the service cannot be started or died; *error says why.
  std::optional<Message> ask(const std::string& name, const Message& request, std::string* error);

 private:
  std::optional<Message> exchange(const Message& request, std::string* error);
  bool start(std::string* error);
  void stop();

  std::mutex mutex_;
  int socket_ = -1;
  pid_t child_ = -1;
  pid_t owner_ = -1;  // a forked child must not talk on its parent's socket
};

// Names everything that decides what the compiler makes of these texts: texts, compiler, processor.
std::string cache_key(const std::vector<std::string_view>& texts);

}  // namespace simgpu::exec
