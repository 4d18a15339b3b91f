#include "simgpu/exec/compiler.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "bitfusion/env.h"
#include "simgpu/exec/kernel_abi.h"
#include "simgpu/exec/sha256.h"

namespace simgpu::exec {
namespace {

constexpr uint32_t kLongestHeader = 64u << 20;

// Variables the compiler may see; everything else (LD_PRELOAD, PYTHONPATH, …) is the application's business.
const char* const kPassedVariables[] = {"PATH", "HOME", "LANG", "TMPDIR"};

bool send_all(int socket, const void* data, size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size) {
    const ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int socket, void* data, size_t size) {
  auto* bytes = static_cast<char*>(data);
  while (size) {
    const ssize_t got = recv(socket, bytes, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

std::vector<std::string> split_words(const char* text) {
  std::vector<std::string> words;
  for (const char* at = text; *at;) {
    at += std::strspn(at, " ");
    const size_t length = std::strcspn(at, " ");
    if (length) words.emplace_back(at, length);
    at += length;
  }
  return words;
}

std::vector<char*> pointers(std::vector<std::string>* words) {
  std::vector<char*> found;
  for (std::string& word : *words) found.push_back(word.data());
  found.push_back(nullptr);
  return found;
}

std::vector<std::string> clean_environment() {
  std::vector<std::string> variables;
  for (const char* name : kPassedVariables) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  return variables;
}

// Starts the command with `socket` as standard input and output and nothing else of ours. Returns errno, 0 on success.
int spawn(const std::vector<std::string>& command, int socket, pid_t* child) {
  std::vector<std::string> words = command, variables = clean_environment();
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, 0);
  posix_spawn_file_actions_adddup2(&actions, socket, 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);  // Ctrl-C is for the application
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int result = posix_spawnp(child, words[0].c_str(), &actions, &attributes, pointers(&words).data(), pointers(&variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return result;
}

std::string cache_path(const std::string& name) {
  const char* directory = bitfusion::env::simgpu_cache();
  return directory ? std::string(directory) + "/" + name : std::string();
}

// What lies there is code that we will run. The folder may be open to all; only our own files and the administrator's are trusted.
bool is_trusted(const struct stat& info) { return info.st_uid == geteuid() || info.st_uid == 0; }

std::optional<Message> read_cache(const std::string& path) {
  const int file = path.empty() ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return std::nullopt;
  struct stat info{};
  uint32_t lengths[2] = {};
  Message message;
  const auto fill = [file](void* to, size_t size) { return read(file, to, size) == static_cast<ssize_t>(size); };
  bool good = fstat(file, &info) == 0 && is_trusted(info) && fill(lengths, sizeof(lengths)) &&
              static_cast<uint64_t>(info.st_size) == sizeof(lengths) + uint64_t{lengths[0]} + lengths[1];
  if (good) {
    message.header.resize(lengths[0]);
    message.payload.resize(lengths[1]);
    good = fill(message.header.data(), lengths[0]) && fill(message.payload.data(), lengths[1]);
  }
  close(file);
  if (!good) return std::nullopt;
  return message;
}

// Written under another name and renamed, so that nobody reads half a file. A cache that cannot be written is only slower.
void write_cache(const std::string& path, const Message& message) {
  if (path.empty()) return;
  mkdir(path.substr(0, path.rfind('/')).c_str(), 0700);
  const std::string temporary = path + "." + std::to_string(getpid()) + ".part";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return;
  const uint32_t lengths[2] = {static_cast<uint32_t>(message.header.size()), static_cast<uint32_t>(message.payload.size())};
  const auto put = [file](const void* from, size_t size) { return write(file, from, size) == static_cast<ssize_t>(size); };
  const bool good = put(lengths, sizeof(lengths)) && put(message.header.data(), lengths[0]) && put(message.payload.data(), lengths[1]);
  close(file);
  if (!good || rename(temporary.c_str(), path.c_str()) != 0) unlink(temporary.c_str());
}

// The processor as far as code generation looks at it: model and feature flags.
std::string processor() {
  unsigned words[12] = {};
  __get_cpuid(1, &words[0], &words[1], &words[2], &words[3]);
  words[1] = 0;  // holds the number of the core we happen to run on
  __get_cpuid_count(7, 0, &words[4], &words[5], &words[6], &words[7]);
  __get_cpuid(0x80000001, &words[8], &words[9], &words[10], &words[11]);
  return {reinterpret_cast<const char*>(words), sizeof(words)};
}

}  // namespace

std::string cache_key(const std::vector<std::string_view>& texts) {
  const std::string cpu = processor();
  const std::string version = std::to_string(kKernelAbiVersion) + "/" SIMGPU_COMPILER_SOURCES;
  std::vector<std::string_view> parts = {version, cpu};
  parts.insert(parts.end(), texts.begin(), texts.end());
  return sha256_hex(parts);
}

Compiler& Compiler::instance() {
  static Compiler* compiler = new Compiler;
  return *compiler;
}

std::optional<Message> Compiler::ask(const std::string& name, const Message& request, std::string* error) {
  const std::string path = cache_path(name);
  if (std::optional<Message> cached = read_cache(path)) return cached;
  const std::lock_guard lock(mutex_);
  std::optional<Message> answer = exchange(request, error);
  if (answer && answer->header.starts_with("ok")) write_cache(path, *answer);
  return answer;
}

std::optional<Message> Compiler::exchange(const Message& request, std::string* error) {
  if (socket_ < 0 && !start(error)) return std::nullopt;
  if (owner_ != getpid()) {
    *error = "CUDA cannot be used in a forked child of a process that has used it";
    return std::nullopt;
  }
  const uint32_t lengths[2] = {static_cast<uint32_t>(request.header.size()), static_cast<uint32_t>(request.payload.size())};
  uint32_t answer_lengths[2] = {};
  Message answer;
  bool good = send_all(socket_, lengths, sizeof(lengths)) && send_all(socket_, request.header.data(), lengths[0]) &&
              send_all(socket_, request.payload.data(), lengths[1]) && receive_all(socket_, answer_lengths, sizeof(answer_lengths)) &&
              answer_lengths[0] <= kLongestHeader;
  if (good) {
    answer.header.resize(answer_lengths[0]);
    answer.payload.resize(answer_lengths[1]);
    good = receive_all(socket_, answer.header.data(), answer_lengths[0]) && receive_all(socket_, answer.payload.data(), answer_lengths[1]);
  }
  if (good) return answer;
  stop();
  *error = std::string("the PTX compiler ended unexpectedly; try its command by hand: ") + bitfusion::env::simgpu_compiler();
  return std::nullopt;
}

bool Compiler::start(std::string* error) {
  const char* command = bitfusion::env::simgpu_compiler();
  const std::vector<std::string> words = split_words(command ? command : "");
  if (words.empty()) {
    *error = "no PTX compiler: set SIMGPU_COMPILER to its command line, for instance 'python3 -I -m native.ptx.service'";
    return false;
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    *error = std::string("no socket for the PTX compiler: ") + std::strerror(errno);
    return false;
  }
  const int failed = spawn(words, pair[1], &child_);
  close(pair[1]);
  if (failed) {
    close(pair[0]);
    *error = "the PTX compiler '" + words[0] + "' cannot be started: " + std::strerror(failed);
    return false;
  }
  socket_ = pair[0];
  owner_ = getpid();
  return true;
}

void Compiler::stop() {
  close(socket_);
  socket_ = -1;
  waitpid(child_, nullptr, 0);
}

}  // namespace simgpu::exec
