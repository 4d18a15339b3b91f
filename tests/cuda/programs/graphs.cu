// A captured stream replayed as a graph.
#include "check.h"

__global__ void multiply_add(int* values, int factor, int addend, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] = values[i] * factor + addend;
}

int main() {
  const int count = 1000, launches = 5;
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  CHECK(cudaStreamCreate(&stream));
  DeviceArray<int> values(std::vector<int>(count, 1));
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  multiply_add<<<4, 256, 0, stream>>>(values.get(), 3, 1, count);
  multiply_add<<<4, 256, 0, stream>>>(values.get(), 1, -2, count);
  CHECK(cudaStreamEndCapture(stream, &graph));
  size_t nodes = 0;
  CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
  REQUIRE(nodes == 2);
  CHECK(cudaGraphInstantiate(&executable, graph, 0));
  int expected = 1;
  for (int i = 0; i < launches; i++) {
    CHECK(cudaGraphLaunch(executable, stream));
    expected = expected * 3 - 1;
  }
  CHECK(cudaStreamSynchronize(stream));
  require_equal(std::vector<int>(count, expected), values.copy());
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaStreamDestroy(stream));
  std::printf("value %d after %d launches\n", expected, launches);
  return passed();
}
