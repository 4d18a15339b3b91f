#include "transport/threads.h"

#include <sched.h>
#include <signal.h>

#include <cstdio>

namespace bitfusion::transport {
namespace {

constexpr size_t kStackSize = 256 * 1024;

// Whole cores that the control group grants, rounded down; 0: no limit known.
int cgroup_cores() {
  FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "re");
  if (!file) return 0;
  long quota = 0, period = 0;
  int fields = std::fscanf(file, "%ld %ld", &quota, &period);
  std::fclose(file);
  if (fields != 2 || period <= 0) return 0;
  return quota < period ? 1 : static_cast<int>(quota / period);
}

int usable_cores() {
  cpu_set_t set;
  int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  int granted = cgroup_cores();
  return granted && granted < cores ? granted : cores;
}

int64_t budget_of(int cores) {
  if (cores <= 1) return 0;
  return cores < 4 ? 100'000 : 300'000;
}

}  // namespace

bool start_thread(const char* name, void* (*main)(void*), void* argument, Stack stack) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (stack == Stack::kSmall) pthread_attr_setstacksize(&attributes, kStackSize);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  bool started = pthread_create(&thread, &attributes, main, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (started) pthread_setname_np(thread, name);
  return started;
}

int64_t spin_budget_ns() {
  static const int64_t budget = budget_of(usable_cores());
  return budget;
}

}  // namespace bitfusion::transport
