// Streams, events, host functions, values in memory, stream capture.
#include <algorithm>
#include <cstring>

#include "simgpu/batch.h"
#include "simgpu/capture.h"
#include "simgpu/context.h"
#include "simgpu/memory_check.h"

using namespace simgpu;

namespace {

constexpr int kGreatestPriority = -5;

#define STREAM(context, handle, stream) \
  ENTER(context);                       \
  StreamCore* stream = nullptr;         \
  if (const CUresult resolved = resolve_stream(context, handle, &stream); resolved != CUDA_SUCCESS) return resolved

CUresult create_stream(CUstream* out, unsigned flags, int priority) {
  ENTER(context);
  REQUIRE(out != nullptr && (flags & ~CU_STREAM_NON_BLOCKING) == 0, CUDA_ERROR_INVALID_VALUE);
  auto core = std::make_shared<StreamCore>(context, flags, std::clamp(priority, kGreatestPriority, 0), false);
  Stream* stream = streams().make(core);
  REQUIRE(stream != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  context->add_stream(std::move(core));
  *out = reinterpret_cast<CUstream>(stream);
  return CUDA_SUCCESS;
}

// A destroyed stream finishes its work by itself: its own thread keeps it alive.
CUresult destroy_stream(CUstream handle) {
  REQUIRE_INITIALIZED();
  Stream* stream = streams().get(handle);
  REQUIRE(stream != nullptr, handle == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_CONTEXT_IS_DESTROYED);
  const std::shared_ptr<StreamCore> core = stream->core;
  streams().destroy(stream);
  if (core->capturing.load()) core->capture->invalidated = true;
  if (core->idle()) {
    core->context->remove_stream(core.get());
  } else {
    const std::weak_ptr<StreamCore> weak = core;
    Context* context = core->context;
    core->submit(ActionWork{[weak, context] { context->remove_stream(weak.lock().get()); }}, {}, false);
  }
  core->stop();
  return CUDA_SUCCESS;
}

CUresult event_from(CUevent handle, std::shared_ptr<EventState>* state) {
  REQUIRE_INITIALIZED();
  const Event* event = events().get(handle);
  REQUIRE(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  *state = event->state;
  return event->state->context->sticky();
}

CUresult record(CUevent handle, CUstream stream, bool external) {
  ENTER(context);
  const Event* event = events().get(handle);
  REQUIRE(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  StreamCore* core = nullptr;
  if (const CUresult bad = resolve_stream(context, stream, &core); bad != CUDA_SUCCESS) return bad;
  REQUIRE(event->state->context == core->context, CUDA_ERROR_INVALID_HANDLE);
  if (external && core->capturing.load()) {
    GraphNode* node =
        add_node(core->capture->graph, CU_GRAPH_NODE_TYPE_EVENT_RECORD, RecordWork{event->state, 0, handle}, core->capture_tail);
    REQUIRE(node != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
    core->capture_tail = {node};
    return CUDA_SUCCESS;
  }
  return enqueue(context, stream, RecordWork{event->state, 0, handle}, Urgency::kHere);
}

CUresult enqueue_batch(CUstream stream, unsigned count, const CUstreamBatchMemOpParams* operations, unsigned flags) {
  ENTER(context);
  BatchWork batch;
  if (const CUresult bad = make_batch(count, operations, flags, &batch); bad != CUDA_SUCCESS) return bad;
  const Urgency urgency = waits(batch) ? Urgency::kQueue : Urgency::kHere;
  return enqueue(context, stream, std::move(batch), urgency);
}

CUresult enqueue_wait(CUstream stream, CUstreamBatchMemOpType type, CUdeviceptr address, cuuint64_t value, unsigned flags) {
  CUstreamBatchMemOpParams operation{};
  operation.waitValue.operation = type;
  operation.waitValue.address = address;
  operation.waitValue.value64 = value;
  operation.waitValue.flags = flags;
  return enqueue_batch(stream, 1, &operation, 0);
}

CUresult enqueue_write(CUstream stream, CUstreamBatchMemOpType type, CUdeviceptr address, cuuint64_t value, unsigned flags) {
  CUstreamBatchMemOpParams operation{};
  operation.writeValue.operation = type;
  operation.writeValue.address = address;
  operation.writeValue.value64 = value;
  operation.writeValue.flags = flags;
  return enqueue_batch(stream, 1, &operation, 0);
}

}  // namespace

extern "C" {

CUresult cuStreamCreate(CUstream* out, unsigned int flags) { return create_stream(out, flags, 0); }

CUresult cuStreamCreateWithPriority(CUstream* out, unsigned int flags, int priority) { return create_stream(out, flags, priority); }

CUresult cuStreamDestroy_v2(CUstream stream) { return destroy_stream(stream); }

CUresult cuStreamDestroy(CUstream stream) { return destroy_stream(stream); }

CUresult cuStreamGetPriority(CUstream handle, int* priority) {
  STREAM(context, handle, stream);
  REQUIRE(priority != nullptr, CUDA_ERROR_INVALID_VALUE);
  *priority = stream->priority;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream handle, unsigned int* flags) {
  STREAM(context, handle, stream);
  REQUIRE(flags != nullptr, CUDA_ERROR_INVALID_VALUE);
  *flags = stream->flags;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetId(CUstream handle, unsigned long long* id) {
  STREAM(context, handle, stream);
  REQUIRE(id != nullptr, CUDA_ERROR_INVALID_VALUE);
  *id = stream->id;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext* out) {
  STREAM(context, handle, stream);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  *out = stream->context->handle();
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx_v2(CUstream handle, CUcontext* out, CUgreenCtx* green) {
  if (green != nullptr) *green = nullptr;
  return cuStreamGetCtx(handle, out);
}

CUresult cuStreamGetDevice(CUstream handle, CUdevice* device) {
  STREAM(context, handle, stream);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_VALUE);
  *device = stream->context->device->ordinal;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetAttribute(CUstream handle, CUstreamAttrID attribute, CUstreamAttrValue* value) {
  STREAM(context, handle, stream);
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  memset(value, 0, sizeof *value);
  if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY) value->priority = stream->priority;
  if (attribute == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY) value->syncPolicy = CU_SYNC_POLICY_AUTO;
  return CUDA_SUCCESS;
}

// Hints about caches and scheduling: accepted, they change no result.
CUresult cuStreamSetAttribute(CUstream handle, CUstreamAttrID, const CUstreamAttrValue* value) {
  STREAM(context, handle, stream);
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

CUresult cuStreamCopyAttributes(CUstream target, CUstream source) {
  STREAM(context, target, stream);
  StreamCore* other = nullptr;
  return resolve_stream(context, source, &other);
}

CUresult cuStreamQuery(CUstream handle) {
  STREAM(context, handle, stream);
  if (stream->capturing.load()) return capture_work(stream, Work{}, true);
  const std::vector<Milestone> others = barriers_for(stream);
  const bool all = stream->idle() && (!stream->legacy || others.empty());
  if (all) context->flush_printed();
  return all ? stream->context->sticky() : CUDA_ERROR_NOT_READY;
}

CUresult cuStreamSynchronize(CUstream handle) {
  STREAM(context, handle, stream);
  if (stream->capturing.load()) return capture_work(stream, Work{}, true);
  if (stream->legacy) {
    for (const Milestone& other : barriers_for(stream)) other.wait();
  }
  stream->drain();
  stream->context->flush_printed();
  return stream->context->sticky();
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned int flags) {
  STREAM(context, handle, stream);
  const Event* event = events().get(event_handle);
  REQUIRE(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE((flags & ~CU_EVENT_WAIT_EXTERNAL) == 0, CUDA_ERROR_INVALID_VALUE);
  bool handled = false;
  const CUresult captured = capture_wait(stream, event->state.get(), (flags & CU_EVENT_WAIT_EXTERNAL) != 0, &handled);
  if (handled) return captured;
  if (stream->capturing.load()) return capture_work(stream, EventWaitWork{event->state, event_handle}, false);
  const Milestone before = event->state->milestone();
  if (before.reached()) return CUDA_SUCCESS;
  std::vector<Milestone> after = barriers_for(stream);
  after.push_back(before);
  stream->submit(Work{}, std::move(after), false);
  return CUDA_SUCCESS;
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
  ENTER(context);
  REQUIRE(function != nullptr, CUDA_ERROR_INVALID_VALUE);
  return enqueue(context, stream, HostWork{function, nullptr, stream, data}, Urgency::kQueue);
}

CUresult cuLaunchHostFunc_v2(CUstream stream, CUhostFn function, void* data, unsigned int) {
  return cuLaunchHostFunc(stream, function, data);
}

CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback callback, void* data, unsigned int flags) {
  ENTER(context);
  REQUIRE(callback != nullptr && flags == 0, CUDA_ERROR_INVALID_VALUE);
  return enqueue(context, stream, HostWork{nullptr, callback, stream, data}, Urgency::kQueue);
}

CUresult cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned int flags) {
  return enqueue_wait(stream, CU_STREAM_MEM_OP_WAIT_VALUE_32, address, value, flags);
}

CUresult cuStreamWaitValue64_v2(CUstream stream, CUdeviceptr address, cuuint64_t value, unsigned int flags) {
  return enqueue_wait(stream, CU_STREAM_MEM_OP_WAIT_VALUE_64, address, value, flags);
}

CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned int flags) {
  return enqueue_write(stream, CU_STREAM_MEM_OP_WRITE_VALUE_32, address, value, flags);
}

CUresult cuStreamWriteValue64_v2(CUstream stream, CUdeviceptr address, cuuint64_t value, unsigned int flags) {
  return enqueue_write(stream, CU_STREAM_MEM_OP_WRITE_VALUE_64, address, value, flags);
}

CUresult cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams* operations, unsigned int flags) {
  return enqueue_batch(stream, count, operations, flags);
}

// --- Events -----------------------------------------------------------------------------------------------------------------------------

CUresult cuEventCreate(CUevent* out, unsigned int flags) {
  ENTER(context);
  const unsigned known = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
  REQUIRE(out != nullptr && (flags & ~known) == 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE((flags & CU_EVENT_INTERPROCESS) == 0 || (flags & CU_EVENT_DISABLE_TIMING) != 0, CUDA_ERROR_INVALID_VALUE);
  auto state = std::make_shared<EventState>();
  state->flags = flags;
  state->context = context;
  Event* event = events().make(std::move(state));
  REQUIRE(event != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = reinterpret_cast<CUevent>(event);
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent handle) {
  REQUIRE_INITIALIZED();
  Event* event = events().get(handle);
  REQUIRE(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  events().destroy(event);
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy(CUevent handle) { return cuEventDestroy_v2(handle); }

CUresult cuEventRecord(CUevent event, CUstream stream) { return record(event, stream, false); }

CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int flags) {
  REQUIRE((flags & ~CU_EVENT_RECORD_EXTERNAL) == 0, CUDA_ERROR_INVALID_VALUE);
  return record(event, stream, (flags & CU_EVENT_RECORD_EXTERNAL) != 0);
}

CUresult cuEventQuery(CUevent handle) {
  const Event* event = events().get(handle);
  REQUIRE(event != nullptr, initialized() ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_NOT_INITIALIZED);
  const EventState& state = *event->state;
  if (!state.done.load(std::memory_order_acquire)) return state.context->error.load() == 0 ? CUDA_ERROR_NOT_READY : state.context->sticky();
  return state.context->sticky();
}

CUresult cuEventSynchronize(CUevent handle) {
  std::shared_ptr<EventState> state;
  if (const CUresult bad = event_from(handle, &state); bad != CUDA_SUCCESS) return bad;
  state->milestone().wait();
  state->context->flush_printed();
  return state->context->sticky();
}

CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent start_handle, CUevent end_handle) {
  std::shared_ptr<EventState> start, end;
  if (const CUresult bad = event_from(start_handle, &start); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = event_from(end_handle, &end); bad != CUDA_SUCCESS) return bad;
  REQUIRE(milliseconds != nullptr, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) == 0, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(start->recorded && end->recorded, CUDA_ERROR_INVALID_HANDLE);
  REQUIRE(start->done.load() && end->done.load(), CUDA_ERROR_NOT_READY);
  *milliseconds = static_cast<float>(static_cast<double>(static_cast<int64_t>(end->time_ns - start->time_ns)) * 1e-6);
  return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) { return cuEventElapsedTime_v2(milliseconds, start, end); }

CUresult cuCtxRecordEvent(CUcontext handle, CUevent event_handle) {
  Context* context = nullptr;
  if (const CUresult bad = enter_given(handle, &context); bad != CUDA_SUCCESS) return bad;
  return cuEventRecord(event_handle, CU_STREAM_LEGACY);  // the legacy stream comes after all others
}

// All work that comes after in any of the context's streams waits.
CUresult cuCtxWaitEvent(CUcontext handle, CUevent event_handle) {
  Context* context = nullptr;
  if (const CUresult bad = enter_given(handle, &context); bad != CUDA_SUCCESS) return bad;
  const Event* event = events().get(event_handle);
  REQUIRE(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  for (const auto& stream : context->all_streams()) {
    if (!event->state->milestone().reached()) stream->submit(Work{}, {event->state->milestone()}, false);
  }
  return CUDA_SUCCESS;
}

// --- Capture ----------------------------------------------------------------------------------------------------------------------------

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  STREAM(context, handle, stream);
  REQUIRE(mode >= CU_STREAM_CAPTURE_MODE_GLOBAL && mode <= CU_STREAM_CAPTURE_MODE_RELAXED, CUDA_ERROR_INVALID_VALUE);
  return begin_capture(stream, mode, nullptr, {});
}

CUresult cuStreamBeginCapture(CUstream handle) { return cuStreamBeginCapture_v2(handle, CU_STREAM_CAPTURE_MODE_GLOBAL); }

CUresult cuStreamBeginCaptureToGraph(CUstream handle, CUgraph graph, const CUgraphNode* nodes, const CUgraphEdgeData*, size_t count,
                                     CUstreamCaptureMode mode) {
  STREAM(context, handle, stream);
  Graph* into = graphs().get(graph);
  REQUIRE(into != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::vector<GraphNode*> after;
  for (size_t i = 0; i < count; i++) {
    after.push_back(graph_nodes().get(nodes[i]));
    REQUIRE(after.back() != nullptr && after.back()->graph == into, CUDA_ERROR_INVALID_VALUE);
  }
  return begin_capture(stream, mode, into, std::move(after));
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  STREAM(context, handle, stream);
  REQUIRE(graph != nullptr, CUDA_ERROR_INVALID_VALUE);
  return end_capture(stream, graph);
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  STREAM(context, handle, stream);
  REQUIRE(status != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (stream->legacy && captures_forbid_legacy(context)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  *status = capture_status(*stream);
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCaptureInfo_v3(CUstream handle, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
                                   const CUgraphNode** nodes, const CUgraphEdgeData** edges, size_t* count) {
  STREAM(context, handle, stream);
  REQUIRE(status != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (stream->legacy && captures_forbid_legacy(context)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  *status = capture_status(*stream);
  if (count != nullptr) *count = 0;
  if (edges != nullptr) *edges = nullptr;
  if (*status != CU_STREAM_CAPTURE_STATUS_ACTIVE) return CUDA_SUCCESS;
  if (id != nullptr) *id = stream->capture->id;
  if (graph != nullptr) *graph = stream->capture->graph->handle();
  if (nodes != nullptr) *nodes = reinterpret_cast<const CUgraphNode*>(stream->capture_tail.data());
  if (count != nullptr) *count = stream->capture_tail.size();
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCaptureInfo_v2(CUstream handle, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
                                   const CUgraphNode** nodes, size_t* count) {
  return cuStreamGetCaptureInfo_v3(handle, status, id, graph, nodes, nullptr, count);
}

CUresult cuStreamGetCaptureInfo(CUstream handle, CUstreamCaptureStatus* status, cuuint64_t* id) {
  return cuStreamGetCaptureInfo_v3(handle, status, id, nullptr, nullptr, nullptr, nullptr);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream handle, CUgraphNode* nodes, const CUgraphEdgeData*, size_t count,
                                              unsigned int flags) {
  STREAM(context, handle, stream);
  REQUIRE(stream->capturing.load(), CUDA_ERROR_ILLEGAL_STATE);
  if (flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES) stream->capture_tail.clear();
  for (size_t i = 0; i < count; i++) {
    GraphNode* node = graph_nodes().get(nodes[i]);
    REQUIRE(node != nullptr && node->graph == stream->capture->graph, CUDA_ERROR_INVALID_VALUE);
    stream->capture_tail.push_back(node);
  }
  return CUDA_SUCCESS;
}

CUresult cuStreamUpdateCaptureDependencies(CUstream handle, CUgraphNode* nodes, size_t count, unsigned int flags) {
  return cuStreamUpdateCaptureDependencies_v2(handle, nodes, nullptr, count, flags);
}

}  // extern "C"
