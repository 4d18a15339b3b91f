// Threads that run blocks, shared by all grids of the process.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "simgpu/exec/grid.h"

namespace simgpu::exec {

class Pool {
 public:
  // The pool of this process. It is never destroyed: its threads may outlive static destructors.
  static Pool& instance();

  // Runs the grid to its end on the calling thread and whatever threads of the pool are free.
  void run(Grid* grid);

 private:
  struct Job {
    Grid* grid;
    unsigned wanted;   // threads that may still join
    unsigned working;  // threads in it
  };

  Pool();
  void thread_main();
  std::unique_ptr<Runner> take_runner();
  void give_runner(std::unique_ptr<Runner> runner);
  Job* next_job();

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Job*> jobs_;
  std::vector<std::unique_ptr<Runner>> idle_runners_;
  unsigned threads_ = 0;
};

}  // namespace simgpu::exec
