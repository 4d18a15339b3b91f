// Graphs that hold pieces of the client: its functions, and its memory in copies.
//
// A copy of host memory is a child graph: a host function that brings the client's bytes here, or takes them there, and the copy between
// the device and a buffer of ours. So it is one node for everybody else, wherever the graph is cloned or instantiated.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "bitfusion/zero_pages.h"
#include "calls/cuda_driver.h"
#include "worker/executor.h"

namespace bitfusion::worker {

class Graphs {
 public:
  // A function of the client in a graph.
  struct HostCall {
    Executor* executor;
    uint64_t number;
  };
  // The host side of a copy in a graph.
  struct HostCopy {
    Executor* executor;
    uint64_t number;
    ZeroPages bytes;
  };

  // `cuda` may be filled later than this is made.
  Graphs(Executor& executor, const CudaDriver& cuda) : executor_(executor), cuda_(cuda) {}

  // From now on streams may be capturing.
  void note_capture();
  bool is_capturing(CUstream stream) const;
  CUresult capture_host_function(CUstream stream, uint64_t number);

  CUDA_HOST_NODE_PARAMS host_node(uint64_t number);
  // The client's number of a host node's function; 0: it is none of the client's.
  uint64_t number_of(const CUDA_HOST_NODE_PARAMS& node) const;

  // Makes the child graph of a copy, packed on its host side; the caller destroys it.
  CUresult make_copy(uint64_t number, const CUDA_MEMCPY3D& shape, CUcontext context, CUgraph* child);
  // Changes an embedded one to another copy of the same direction.
  CUresult change_copy(CUgraph child, uint64_t number, const CUDA_MEMCPY3D& shape);
  // The copy that a node is; 0: it is another node.
  uint64_t copy_of(CUgraphNode node, CUgraph* child = nullptr) const;

 private:
  struct Parts {
    CUgraphNode fetch = nullptr, copy = nullptr, send = nullptr;
    HostCopy* host = nullptr;
  };
  CUresult parts_of(CUgraph child, Parts* parts) const;
  std::unique_ptr<HostCopy> new_copy(uint64_t number, CUDA_MEMCPY3D* shape) const;
  void keep(CUgraph graph, std::unique_ptr<HostCopy> copy);

  Executor& executor_;
  const CudaDriver& cuda_;
  std::atomic<bool> may_capture_{false};
  std::mutex mutex_;
  std::vector<std::unique_ptr<HostCall>> calls_;   // graphs may be cloned and run until the session ends
  std::vector<std::unique_ptr<HostCopy>> copies_;  // where the driver is too old to say when a graph has gone
};

}  // namespace bitfusion::worker
