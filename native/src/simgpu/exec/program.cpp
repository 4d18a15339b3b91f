// Program and Kernel of exec.h: the compiler's answers, made usable.
#include <charconv>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "simgpu/exec/compiler.h"
#include "simgpu/exec/exec.h"
#include "simgpu/exec/object.h"
#include "simgpu/exec/pool.h"

namespace simgpu::exec {
namespace {

// The texts of a program, shared by its kernels, which may outlive it.
struct Source {
  std::string key;
  std::vector<std::string> texts;

  std::string lengths() const {
    std::string words;
    for (const std::string& text : texts) words += " " + std::to_string(text.size());
    return words;
  }
  std::string joined() const {
    std::string all;
    for (const std::string& text : texts) all += text;
    return all;
  }
};

// Walks the space-separated words of a line of an answer.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  std::string_view word() {
    const size_t end = rest_.find(' ');
    const std::string_view found = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    return found;
  }
  template <typename T>
  T number() {
    T value{};
    const std::string_view text = word();
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

 private:
  std::string_view rest_;
};

LoadError error_of(const Message& answer) {
  const size_t end = answer.header.find('\n');
  const std::string first = answer.header.substr(0, end);
  LoadError error;
  error.message = end == std::string::npos ? first : answer.header.substr(end + 1);
  if (first == "error unsupported") {
    error.kind = LoadError::Kind::kUnsupported;
  } else if (first == "error unresolved") {
    error.kind = LoadError::Kind::kUnresolved;
  } else if (first == "error invalid") {
    error.kind = LoadError::Kind::kInvalidPtx;
  } else {
    error.kind = LoadError::Kind::kCompilerUnavailable;
  }
  return error;
}

// Asks the service about a program, which it is told again if it has forgotten it.
std::optional<Message> ask_about(const Source& source, const std::string& name, const std::string& header, std::string* why) {
  std::optional<Message> answer = Compiler::instance().ask(name, {header, ""}, why);
  if (!answer || answer->header != "unknown") return answer;
  return Compiler::instance().ask(name, {header + source.lengths(), source.joined()}, why);
}

class PtxKernel final : public Kernel {
 public:
  PtxKernel(std::shared_ptr<const Source> source, size_t index, KernelInfo info)
      : source_(std::move(source)), index_(index), info_(std::move(info)) {}

  const KernelInfo& info() const override { return info_; }
  const CodeInfo& code() const override { return code_; }

  std::optional<LoadError> prepare() override {
    if (ready_.load(std::memory_order_acquire)) return failure_;
    const std::lock_guard lock(mutex_);
    if (!ready_.load(std::memory_order_relaxed)) {
      failure_ = compile();
      ready_.store(true, std::memory_order_release);
    }
    return failure_;
  }

  Fault run(const Launch& launch) override {
    if (const std::optional<LoadError> error = prepare()) {
      Fault fault;
      fault.kind = Fault::Kind::kIllegalInstruction;
      fault.message = error->message;
      return fault;
    }
    Grid grid(launch, object_->entry(), info_, code_);
    if (grid.block_count() && grid.threads()) Pool::instance().run(&grid);
    return grid.take_fault();
  }

 private:
  std::optional<LoadError> compile() {
    std::string why;
    const std::string name = source_->key + "." + std::to_string(index_);
    const std::optional<Message> answer = ask_about(*source_, name, "compile " + source_->key + " " + std::to_string(index_), &why);
    if (!answer) return LoadError{LoadError::Kind::kCompilerUnavailable, why};
    if (!answer->header.starts_with("ok ")) return error_of(*answer);
    Words words(answer->header);
    words.word();
    code_.static_shared_bytes = words.number<uint32_t>();
    code_.local_bytes = words.number<uint32_t>();
    code_.registers = words.number<uint32_t>();
    code_.fibers = words.number<int>() != 0;
    object_ = CodeObject::load(reinterpret_cast<const uint8_t*>(answer->payload.data()), answer->payload.size(), &why);
    if (!object_) return LoadError{LoadError::Kind::kCompilerUnavailable, why};
    return std::nullopt;
  }

  std::shared_ptr<const Source> source_;
  size_t index_;
  KernelInfo info_;
  CodeInfo code_;
  std::mutex mutex_;
  std::atomic<bool> ready_{false};
  std::optional<LoadError> failure_;
  std::unique_ptr<CodeObject> object_;
};

class PtxProgram final : public Program {
 public:
  PtxProgram(std::shared_ptr<const Source> source, const Message& description) : source_(std::move(source)) {
    const std::string_view text = description.header, initial = description.payload;
    size_t initial_at = 0;
    for (size_t at = text.find('\n'); at != std::string_view::npos;) {
      const size_t end = text.find('\n', at + 1);
      read_line(text.substr(at + 1, end == std::string_view::npos ? end : end - at - 1), initial, &initial_at);
      at = end;
    }
  }

  std::optional<LoadError> check() const override {
    std::string why;
    const std::optional<Message> answer = ask_about(*source_, source_->key + ".check", "check " + source_->key, &why);
    if (!answer) return LoadError{LoadError::Kind::kCompilerUnavailable, why};
    if (!answer->header.starts_with("ok")) return error_of(*answer);
    return std::nullopt;
  }
  const std::vector<Global>& globals() const override { return globals_; }
  size_t kernel_count() const override { return kernels_.size(); }
  const std::shared_ptr<Kernel>& kernel(size_t index) const override { return kernels_[index]; }
  std::shared_ptr<Kernel> find_kernel(std::string_view name) const override {
    const auto found = by_name_.find(std::string(name));
    return found == by_name_.end() ? nullptr : found->second;
  }

 private:
  void read_line(std::string_view line, std::string_view initial, size_t* initial_at) {
    Words words(line);
    const std::string_view what = words.word();
    if (what == "kernel") read_kernel(&words);
    if (what == "global") read_global(&words, initial, initial_at);
  }

  void read_kernel(Words* words) {
    KernelInfo info;
    info.name = words->word();
    info.param_bytes = words->number<uint32_t>();
    info.max_threads = words->number<uint32_t>();
    for (uint32_t& extent : info.required_block) extent = words->number<uint32_t>();
    for (uint32_t& extent : info.required_cluster) extent = words->number<uint32_t>();
    info.params.resize(words->number<uint32_t>());
    for (Param& param : info.params) {
      param.offset = words->number<uint32_t>();
      param.size = words->number<uint32_t>();
      param.align = words->number<uint32_t>();
    }
    std::string name = info.name;
    kernels_.push_back(std::make_shared<PtxKernel>(source_, kernels_.size(), std::move(info)));
    by_name_.emplace(std::move(name), kernels_.back());
  }

  void read_global(Words* words, std::string_view initial, size_t* initial_at) {
    Global global;
    global.name = words->word();
    global.space = words->number<int>() ? Global::Space::kConst : Global::Space::kGlobal;
    global.visible = words->number<int>() != 0;
    global.managed = words->number<int>() != 0;
    global.size = words->number<uint64_t>();
    global.align = words->number<uint32_t>();
    const auto bytes = words->number<size_t>();
    const std::string_view part = initial.substr(*initial_at < initial.size() ? *initial_at : initial.size(), bytes);
    global.initial.assign(part.begin(), part.end());
    *initial_at += bytes;
    global.relocations.resize(words->number<uint32_t>());
    for (Global::Relocation& relocation : global.relocations) {
      relocation.offset = words->number<uint64_t>();
      relocation.target = words->number<uint32_t>();
      relocation.addend = words->number<int64_t>();
    }
    globals_.push_back(std::move(global));
  }

  std::shared_ptr<const Source> source_;
  std::vector<std::shared_ptr<Kernel>> kernels_;
  std::unordered_map<std::string, std::shared_ptr<Kernel>> by_name_;
  std::vector<Global> globals_;
};

}  // namespace

std::shared_ptr<Program> Program::load(const std::vector<std::string_view>& texts, LoadError* error) {
  auto source = std::make_shared<Source>();
  for (std::string_view text : texts) {
    if (const size_t end = text.find('\0'); end != std::string_view::npos) text = text.substr(0, end);
    source->texts.emplace_back(text);
  }
  source->key = cache_key({source->texts.begin(), source->texts.end()});
  const Message request{"scan " + source->key + source->lengths(), source->joined()};
  const std::optional<Message> answer = Compiler::instance().ask(source->key + ".scan", request, &error->message);
  if (!answer) {
    error->kind = LoadError::Kind::kCompilerUnavailable;
    return nullptr;
  }
  if (!answer->header.starts_with("ok")) {
    *error = error_of(*answer);
    return nullptr;
  }
  return std::make_shared<PtxProgram>(std::move(source), *answer);
}

}  // namespace simgpu::exec
