#include "simgpu/thread_state.h"

#include <pthread.h>

#include "simgpu/stream.h"

namespace simgpu {

namespace {

// A pointer only: the library may be loaded late, when little static thread-local space is left.
__thread ThreadState* t_state __attribute__((tls_model("initial-exec"))) = nullptr;

pthread_key_t cleanup_key() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    pthread_key_create(&made, [](void* state) {
      t_state = nullptr;
      delete static_cast<ThreadState*>(state);
    });
    return made;
  }();
  return key;
}

}  // namespace

// The thread's streams end when their work has.
ThreadState::~ThreadState() {
  for (const auto& [context, stream] : default_streams) stream->stop();
}

ThreadState& thread_state() {
  if (t_state == nullptr) {
    t_state = new ThreadState;
    pthread_setspecific(cleanup_key(), t_state);
  }
  return *t_state;
}

}  // namespace simgpu
