#include "simgpu/capture.h"

#include <algorithm>
#include <atomic>
#include <set>

#include "simgpu/graph_exec.h"

namespace simgpu {

namespace {

std::atomic<int> g_active{0};  // captures in progress: nearly always none, then nothing here costs anything
std::mutex g_lock;

std::vector<std::shared_ptr<Capture>>& active_captures() {
  static auto* captures = new std::vector<std::shared_ptr<Capture>>;
  return *captures;
}

uint64_t next_capture_id() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1);
}

void leave(StreamCore* stream) {
  stream->capturing.store(false, std::memory_order_release);
  stream->capture.reset();
  stream->capture_tail.clear();
}

void join(StreamCore* stream, const std::shared_ptr<Capture>& capture) {
  stream->capture = capture;
  stream->capture_tail.clear();
  stream->capturing.store(true, std::memory_order_release);
  capture->streams.push_back(stream->shared_from_this());
}

void merge(std::vector<GraphNode*>* into, const std::vector<GraphNode*>& more) {
  for (GraphNode* node : more) {
    if (std::find(into->begin(), into->end(), node) == into->end()) into->push_back(node);
  }
}

// Every node that the given ones depend on, themselves included.
std::set<GraphNode*> ancestors(const std::vector<GraphNode*>& of) {
  std::set<GraphNode*> seen(of.begin(), of.end());
  std::vector<GraphNode*> open(of);
  while (!open.empty()) {
    GraphNode* node = open.back();
    open.pop_back();
    for (GraphNode* before : node->after) {
      if (seen.insert(before).second) open.push_back(before);
    }
  }
  return seen;
}

bool all_joined(const Capture& capture) {
  const std::set<GraphNode*> reached = ancestors(capture.origin->capture_tail);
  for (const auto& stream : capture.streams) {
    for (GraphNode* node : stream->capture_tail) {
      if (reached.count(node) == 0) return false;
    }
  }
  return true;
}

}  // namespace

CUresult begin_capture(StreamCore* stream, CUstreamCaptureMode mode, Graph* into, std::vector<GraphNode*> after) {
  REQUIRE(!stream->legacy, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  REQUIRE(!stream->capturing.load(), CUDA_ERROR_ILLEGAL_STATE);
  auto capture = std::make_shared<Capture>();
  capture->id = next_capture_id();
  capture->graph = into != nullptr ? into : make_graph();
  REQUIRE(capture->graph != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  capture->mode = mode;
  capture->thread = &thread_state();
  capture->origin = stream;
  join(stream, capture);
  stream->capture_tail = std::move(after);
  std::lock_guard<std::mutex> guard(g_lock);
  active_captures().push_back(std::move(capture));
  g_active.fetch_add(1);
  return CUDA_SUCCESS;
}

CUresult end_capture(StreamCore* stream, CUgraph* graph) {
  *graph = nullptr;
  REQUIRE(stream->capturing.load(), CUDA_ERROR_ILLEGAL_STATE);
  const std::shared_ptr<Capture> capture = stream->capture;
  REQUIRE(capture->origin == stream, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
  const bool wrong_thread = capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != &thread_state();
  REQUIRE(!wrong_thread, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  const bool joined = all_joined(*capture);
  for (const auto& member : capture->streams) leave(member.get());
  {
    std::lock_guard<std::mutex> guard(g_lock);
    std::erase(active_captures(), capture);
    g_active.fetch_sub(1);
  }
  if (!capture->invalidated && joined) {
    *graph = capture->graph->handle();
    return CUDA_SUCCESS;
  }
  destroy_graph(capture->graph);
  return capture->invalidated ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
}

namespace {

// A launch inside a capture becomes the graph's nodes, one after the other.
CUresult capture_launch(StreamCore* stream, const Executable& executable) {
  REQUIRE(executable.conditions.empty() && executable.memory.allocated.empty(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  for (const auto& node : executable.nodes) {
    if (const auto* child = std::get_if<GraphWork>(&node.work)) {
      if (const CUresult bad = capture_launch(stream, *child->graph); bad != CUDA_SUCCESS) return bad;
      continue;
    }
    GraphNode* added = add_node(stream->capture->graph, node.type, node.work, stream->capture_tail);
    REQUIRE(added != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
    stream->capture_tail = {added};
  }
  return CUDA_SUCCESS;
}

}  // namespace

CUresult capture_work(StreamCore* stream, Work work, bool synchronous) {
  Capture& capture = *stream->capture;
  REQUIRE(!capture.invalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  if (synchronous || std::holds_alternative<ActionWork>(work)) {
    capture.invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  if (auto* record = std::get_if<RecordWork>(&work)) {
    std::lock_guard<std::mutex> guard(record->event->lock);
    record->event->capture = stream->capture;
    record->event->capture_tail = stream->capture_tail;
    return CUDA_SUCCESS;
  }
  if (auto* graph = std::get_if<GraphWork>(&work)) return capture_launch(stream, *graph->graph);
  const CUgraphNodeType type = type_of(work);
  GraphNode* node = add_node(capture.graph, type, std::move(work), stream->capture_tail);
  REQUIRE(node != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  stream->capture_tail = {node};
  return CUDA_SUCCESS;
}

CUresult capture_wait(StreamCore* stream, EventState* event, bool external, bool* handled) {
  std::lock_guard<std::mutex> guard(event->lock);
  *handled = stream->capturing.load() || event->capture != nullptr;
  if (!*handled) return CUDA_SUCCESS;
  if (external) {
    *handled = false;
    return CUDA_SUCCESS;
  }
  REQUIRE(event->capture != nullptr, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  if (!event->capture->origin->capturing.load() || event->capture->origin->capture != event->capture) return CUDA_ERROR_CAPTURED_EVENT;
  if (!stream->capturing.load()) {
    REQUIRE(!stream->legacy, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    join(stream, event->capture);
  }
  REQUIRE(stream->capture == event->capture, CUDA_ERROR_STREAM_CAPTURE_MERGE);
  merge(&stream->capture_tail, event->capture_tail);
  return CUDA_SUCCESS;
}

bool captures_forbid_legacy(Context* context) {
  if (g_active.load(std::memory_order_acquire) == 0) return false;
  std::lock_guard<std::mutex> guard(g_lock);
  for (const auto& capture : active_captures()) {
    if (capture->origin->context == context && capture->origin->blocking() && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED) return true;
  }
  return false;
}

bool capture_forbids_unsafe_calls() {
  if (g_active.load(std::memory_order_acquire) == 0) return false;
  ThreadState& thread = thread_state();
  if (thread.capture_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
  std::lock_guard<std::mutex> guard(g_lock);
  for (const auto& capture : active_captures()) {
    const bool mine = capture->thread == &thread && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    const bool anybodys = capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread.capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (!mine && !anybodys) continue;
    capture->invalidated = true;
    return true;
  }
  return false;
}

CUstreamCaptureStatus capture_status(const StreamCore& stream) {
  if (!stream.capturing.load(std::memory_order_acquire)) return CU_STREAM_CAPTURE_STATUS_NONE;
  return stream.capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

}  // namespace simgpu
