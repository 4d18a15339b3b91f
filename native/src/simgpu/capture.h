// Stream capture: work that would enter a stream becomes nodes of a graph.
#pragma once

#include <memory>
#include <vector>

#include "simgpu/context.h"
#include "simgpu/graph.h"

namespace simgpu {

struct Capture {
  uint64_t id = 0;
  Graph* graph = nullptr;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  bool invalidated = false;
  ThreadState* thread = nullptr;
  StreamCore* origin = nullptr;
  std::vector<std::shared_ptr<StreamCore>> streams;  // those that have joined, the origin included
};

CUresult begin_capture(StreamCore* stream, CUstreamCaptureMode mode, Graph* into, std::vector<GraphNode*> after);
CUresult end_capture(StreamCore* stream, CUgraph* graph);

// Adds work to the graph that `stream` is being captured into; `synchronous` calls cannot be captured and spoil the capture.
CUresult capture_work(StreamCore* stream, Work work, bool synchronous);

// cuStreamWaitEvent where the event or the stream is part of a capture. `handled` is false if neither is.
CUresult capture_wait(StreamCore* stream, EventState* event, bool external, bool* handled);

// A capture not in relaxed mode forbids work in the legacy stream of its context.
bool captures_forbid_legacy(Context* context);

// A call that cannot be captured (an allocation, a synchronisation) while one is being made that this thread may spoil.
bool capture_forbids_unsafe_calls();

CUstreamCaptureStatus capture_status(const StreamCore& stream);

}  // namespace simgpu
