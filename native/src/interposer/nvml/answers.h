// The answers that are known, and how the others are fetched: never one by one.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "interposer/nvml/question.h"
#include "transport/threads.h"

namespace bitfusion::interposer::nvml {

// A question that is asked before the application does; see native/spec/nvml_model.py.
struct Ahead {
  uint16_t row;
  Life life;
  bool per_device;
  uint8_t values;
  uint64_t value[3];
};
extern const Ahead kAhead[];
extern const size_t kAheadCount;

// Fixed answers stay. Live ones hold for a moment, and only while this process sends nothing else that could change them (an allocation is
// seen at once). When they are stale, all that were wanted since the last time are fetched again together.
class Answers {
 public:
  nvmlReturn_t get(const Question& question, std::string* results);
  // This question will be asked soon: fetch its answer with the next one that is missing.
  void expect(const Question& question);
  // In a forked child: what is known stays, a lock that another thread held does not.
  void after_fork();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kMoment = std::chrono::milliseconds(50);

  struct Answer {
    Life life = Life::kFixed;
    uint64_t round = 0;   // of live answers: the round they belong to; 0: not fetched yet
    bool wanted = false;  // since the last round
    nvmlReturn_t status = NVML_ERROR_UNKNOWN;
    std::string results;
  };
  using Known = std::map<std::string, Answer>;

  Known::iterator want(const Question& question);
  bool good(const Answer& answer) const;
  bool round_is_over() const;
  std::vector<Known::iterator> missing_with(Known::iterator first);
  void add_ahead(Life life);
  nvmlReturn_t fetch(const std::vector<Known::iterator>& batch);

  transport::Mutex lock_;
  Known known_;
  bool asked_ahead_[3] = {};  // by Life
  uint64_t round_ = 1;
  Clock::time_point round_began_;
  uint64_t frames_then_ = 0;
};

Answers& answers();

}  // namespace bitfusion::interposer::nvml
