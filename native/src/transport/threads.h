// Threads and locks that behave in other people's processes, and how long a waiter may spin.
#pragma once

#include <pthread.h>

#include <cstdint>

namespace bitfusion::transport {

enum class Stack : uint8_t { kSmall, kOfApplication };  // the second for threads that run the application's functions

// Starts a detached thread with every signal blocked. False when the system refuses.
bool start_thread(const char* name, void* (*main)(void*), void* argument, Stack stack = Stack::kSmall);

// How long a waiter spins before it blocks: nothing on one core (or a quota of one), little on two, more on many.
int64_t spin_budget_ns();

// A mutex without exceptions that can be abandoned by a fork.
class Mutex {
 public:
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }
  bool try_lock() { return pthread_mutex_trylock(&mutex_) == 0; }
  pthread_mutex_t* native() { return &mutex_; }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

class Guard {
 public:
  explicit Guard(Mutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Guard() { mutex_.unlock(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  Mutex& mutex_;
};

class Condition {
 public:
  void wait(Mutex& mutex) { pthread_cond_wait(&condition_, mutex.native()); }
  void notify_all() { pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace bitfusion::transport
