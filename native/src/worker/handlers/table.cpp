// The handlers as the executor sees them.
#include "worker/handlers/decode.h"

namespace bitfusion::worker {
namespace {

void* create(Executor& executor, const SessionConfig& config, void* driver) { return new State(executor, config, driver); }
void destroy(void* state) { delete static_cast<State*>(state); }

bool find_stream(void* state, const wire::FrameHeader& header, uint64_t name, CUstream* stream) {
  return static_cast<State*>(state)->find_stream(header, name, stream);
}
bool find_event(void* state, uint64_t name, CUevent* event) {
  return static_cast<State*>(state)->objects.find(name, Handle::kEvent, event);
}
bool find_context(void* state, uint64_t name, CUcontext* context) {
  return static_cast<State*>(state)->objects.find(name, Handle::kContext, context);
}

bool find_ending(void* state, uint64_t name, CUcontext* context) {
  const Objects& objects = static_cast<State*>(state)->objects;
  return objects.find(name, Handle::kContext, context) || objects.find_owned(name, Handle::kContext, context);
}

bool owns(void* state, uint64_t address, uint64_t size) { return static_cast<State*>(state)->owns(address, size); }

}  // namespace

const HandlerTable& cuda_handlers() {
  static const HandlerTable table = {generated_rows(),        create, destroy, find_stream, find_event, find_context, find_ending, owns,
                                     std::to_array(kSpecHash)};
  return table;
}

}  // namespace bitfusion::worker
