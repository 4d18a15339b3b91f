// Graph nodes as the client describes them, see native/include/bitfusion/graph_wire.h.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "interposer/caller.h"
#include "interposer/handles.h"
// after cuda.h as the interposer sees it
#include "bitfusion/graph_wire.h"

namespace bitfusion::interposer {

class Description {
 public:
  explicit Description(CUgraphNodeType kind) { put(static_cast<uint32_t>(kind)); }

  template <typename T>
  void put(const T& value) {
    bytes(&value, sizeof value);
  }
  void bytes(const void* data, size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    data_.insert(data_.end(), from, from + size);
  }
  void blob(const void* data, size_t size) {
    put(static_cast<uint32_t>(size));
    bytes(data, size);
  }
  wire::Bytes view() const { return data_; }

 private:
  std::vector<std::byte> data_;
};

// Names for objects that an answer may bring. Those that it did not use are taken back.
class Offered {
 public:
  Offered(Handle kind, uint64_t owner, size_t count);
  ~Offered();
  Offered(const Offered&) = delete;
  Offered& operator=(const Offered&) = delete;

  wire::Bytes view() const { return std::as_bytes(std::span(names_)); }
  // The answer has this name: it stays.
  void keep(uint64_t name);

 private:
  std::vector<uint64_t> names_;
};

// The wire name of an optional context; false: there is no such context.
bool name_context(CUcontext context, uint64_t* name);

// The parameters of every kind of node as a description. The structures are those of the header's variants.
template <typename Params>
CUresult describe_kernel(const Params& params, Description* out);
CUresult describe_copy(const Caller& at, const CUDA_MEMCPY3D& copy, CUcontext context, Description* out);
template <typename Params>
CUresult describe_fill(const Params& params, CUcontext context, Description* out);
CUresult describe_host(const Caller& at, CUhostFn function, void* data, Description* out);
CUresult describe_graph(CUgraph graph, Description* out);
CUresult describe_event(CUevent event, Description* out);
template <typename Params>
CUresult describe_alloc(const Params& params, Description* out);
template <typename Params>
CUresult describe_operations(const Params& params, Description* out);
CUresult describe_conditional(const CUDA_CONDITIONAL_NODE_PARAMS& params, Description* out);
// The union of cuGraphAddNode.
CUresult describe_any(const Caller& at, const CUgraphNodeParams& params, std::unique_ptr<Description>* out);

// What an application may point at as long as a node lives: answers of the Get calls.
struct NodeMemory {
  std::vector<std::byte> parameters;
  std::vector<void*> pointers;
  std::vector<CUstreamBatchMemOpParams> operations;
  std::vector<CUmemAccessDesc> accesses;
  std::vector<CUgraph> bodies;
};
NodeMemory& memory_of_node(uint64_t node);

}  // namespace bitfusion::interposer
