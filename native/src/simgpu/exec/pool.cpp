#include "simgpu/exec/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>

namespace simgpu::exec {
namespace {

// Cores this process may use, not those of the machine: containers limit them.
unsigned usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace

Pool& Pool::instance() {
  static Pool* pool = new Pool;
  return *pool;
}

Pool::Pool() : threads_(usable_cores() - 1) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // the application's signals are for its own threads
  for (unsigned i = 0; i < threads_; ++i) {
    pthread_t thread;
    const auto start = [](void* self) -> void* {
      static_cast<Pool*>(self)->thread_main();
      return nullptr;
    };
    if (pthread_create(&thread, nullptr, start, this) == 0) pthread_detach(thread);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Pool::run(Grid* grid) {
  std::unique_ptr<Runner> runner = take_runner();
  const unsigned wanted = static_cast<unsigned>(std::min<uint64_t>(threads_, grid->block_count() - 1));
  Job job{grid, wanted, 0};
  if (wanted) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(&job);
    work_.notify_all();
  }
  grid->work(runner.get());
  if (wanted) {
    std::unique_lock lock(mutex_);
    std::erase(jobs_, &job);
    done_.wait(lock, [&] { return job.working == 0; });
  }
  give_runner(std::move(runner));
}

Pool::Job* Pool::next_job() {
  for (Job* job : jobs_) {
    if (job->wanted && !job->grid->exhausted() && !job->grid->stopped()) return job;
  }
  return nullptr;
}

void Pool::thread_main() {
  pthread_setname_np(pthread_self(), "simgpu-sm");
  std::unique_ptr<Runner> runner = take_runner();
  std::unique_lock lock(mutex_);
  for (;;) {
    Job* job = next_job();
    if (!job) {
      work_.wait(lock);
      continue;
    }
    --job->wanted;
    ++job->working;
    lock.unlock();
    job->grid->work(runner.get());
    lock.lock();
    if (--job->working == 0) done_.notify_all();
  }
}

std::unique_ptr<Runner> Pool::take_runner() {
  const std::lock_guard lock(mutex_);
  if (idle_runners_.empty()) return std::make_unique<Runner>();
  std::unique_ptr<Runner> runner = std::move(idle_runners_.back());
  idle_runners_.pop_back();
  return runner;
}

void Pool::give_runner(std::unique_ptr<Runner> runner) {
  const std::lock_guard lock(mutex_);
  idle_runners_.push_back(std::move(runner));
}

}  // namespace simgpu::exec
