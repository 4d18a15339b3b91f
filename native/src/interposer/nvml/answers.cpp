#include "interposer/nvml/answers.h"

#include <new>

#include "interposer/log.h"
#include "interposer/nvml/server.h"

namespace bitfusion::interposer::nvml {

Answers& answers() {
  alignas(Answers) static std::byte storage[sizeof(Answers)];
  static Answers* const instance = new (storage) Answers;  // never destroyed: programs ask from their exit handlers
  return *instance;
}

nvmlReturn_t Answers::get(const Question& question, std::string* results) {
  transport::Guard guard(lock_);
  const auto at = want(question);
  if (!good(at->second)) {
    if (nvmlReturn_t error = fetch(missing_with(at))) return error;
  }
  *results = at->second.results;
  return at->second.status;
}

void Answers::expect(const Question& question) {
  transport::Guard guard(lock_);
  want(question);
}

Answers::Known::iterator Answers::want(const Question& question) {
  const auto at = known_.try_emplace(question.key()).first;
  at->second.life = question.life();
  at->second.wanted = true;
  return at;
}

void Answers::after_fork() { new (&lock_) transport::Mutex; }

bool Answers::good(const Answer& answer) const {
  return answer.round != 0 && (answer.life == Life::kFixed || (answer.round == round_ && !round_is_over()));
}

bool Answers::round_is_over() const { return Clock::now() - round_began_ > kMoment || frames_sent() != frames_then_; }

// What one round trip can bring: the missing answer, all that are asked ahead when it is the first of its life, all stale ones still
// wanted.
std::vector<Answers::Known::iterator> Answers::missing_with(Known::iterator first) {
  const Life life = first->second.life;
  if (life != Life::kFixed && round_is_over()) {
    round_++;
    round_began_ = Clock::now();
  }
  if (!asked_ahead_[static_cast<int>(life)]) add_ahead(life);
  std::vector<Known::iterator> batch;
  for (auto at = known_.begin(); at != known_.end(); ++at) {
    Answer& answer = at->second;
    const bool stale = answer.round == 0 || (answer.life != Life::kFixed && answer.round != round_);
    if (stale && answer.wanted) batch.push_back(at);
    if (stale) answer.wanted = false;
  }
  first->second.wanted = true;
  return batch;
}

void Answers::add_ahead(Life life) {
  asked_ahead_[static_cast<int>(life)] = true;
  for (size_t i = 0; i < kAheadCount; i++) {
    const Ahead& row = kAhead[i];
    if (row.life != life) continue;
    const unsigned devices = row.per_device ? device_count() : 1;
    for (unsigned device = 0; device < devices; device++) {
      Question question = row.per_device ? Question(row.row, life, device) : Question(row.row, life);
      for (uint8_t v = 0; v < row.values; v++) question.value(row.value[v]);
      want(question);
    }
  }
}

nvmlReturn_t Answers::fetch(const std::vector<Known::iterator>& batch) {
  std::string questions;
  const auto count = static_cast<uint32_t>(batch.size());
  questions.append(reinterpret_cast<const char*>(&count), sizeof count);
  for (const auto& at : batch) questions += at->first;
  log(Level::kDebug, "nvml: %u questions in one round trip", count);
  transport::Reply reply;
  if (nvmlReturn_t error = ask_server(questions, &reply)) return error;
  frames_then_ = frames_sent();
  wire::Reader in = reply.in();
  for (const auto& at : batch) {
    const auto header = in.get<NvmlAnswer>();
    const auto results = in.bytes(header.size);
    if (!in.ok()) return NVML_ERROR_UNKNOWN;
    at->second.status = static_cast<nvmlReturn_t>(header.status);
    at->second.results.assign(reinterpret_cast<const char*>(results.data()), results.size());
    at->second.round = round_;
  }
  return NVML_SUCCESS;
}

}  // namespace bitfusion::interposer::nvml
