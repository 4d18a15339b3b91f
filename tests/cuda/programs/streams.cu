// Four streams that copy in, compute and copy out side by side; order within a stream, waits across streams, host functions.
#include "check.h"

constexpr int kStreams = 4;
constexpr int kCount = 1 << 18;

__global__ void scale(int* values, int factor, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] = values[i] * factor + 1;
}

__global__ void add(const int* a, int* b, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) b[i] += a[i];
}

struct Pipeline {
  cudaStream_t stream;
  int* host;
  int* device;
  int finished = 0;
};

void CUDART_CB note_end(void* pipeline) { static_cast<Pipeline*>(pipeline)->finished++; }

void start(Pipeline& pipeline, int number) {
  CHECK(cudaStreamCreateWithFlags(&pipeline.stream, cudaStreamNonBlocking));
  CHECK(cudaMallocHost(&pipeline.host, kCount * sizeof(int)));
  CHECK(cudaMalloc(&pipeline.device, kCount * sizeof(int)));
  for (int i = 0; i < kCount; i++) pipeline.host[i] = i % 1000 + number;
  CHECK(cudaMemcpyAsync(pipeline.device, pipeline.host, kCount * sizeof(int), cudaMemcpyHostToDevice, pipeline.stream));
  for (int factor = 2; factor < 5; factor++) scale<<<kCount / 256, 256, 0, pipeline.stream>>>(pipeline.device, factor, kCount);
  CHECK(cudaGetLastError());
}

void finish(Pipeline& pipeline) {
  CHECK(cudaMemcpyAsync(pipeline.host, pipeline.device, kCount * sizeof(int), cudaMemcpyDeviceToHost, pipeline.stream));
  CHECK(cudaLaunchHostFunc(pipeline.stream, note_end, &pipeline));
  CHECK(cudaStreamSynchronize(pipeline.stream));
  CHECK(cudaStreamQuery(pipeline.stream));
  REQUIRE(pipeline.finished == 1);
}

// ((v * 2 + 1) * 3 + 1) * 4 + 1
int expected(int i, int number) { return (((i % 1000 + number) * 2 + 1) * 3 + 1) * 4 + 1; }

int main() {
  Pipeline pipelines[kStreams];
  for (int number = 0; number < kStreams; number++) start(pipelines[number], number);

  // The last stream adds the first one's result, so it must wait for it.
  cudaEvent_t first_done;
  CHECK(cudaEventCreateWithFlags(&first_done, cudaEventDisableTiming));
  CHECK(cudaEventRecord(first_done, pipelines[0].stream));
  CHECK(cudaStreamWaitEvent(pipelines[kStreams - 1].stream, first_done, 0));
  add<<<kCount / 256, 256, 0, pipelines[kStreams - 1].stream>>>(pipelines[0].device, pipelines[kStreams - 1].device, kCount);
  CHECK(cudaGetLastError());

  long long sum = 0;
  for (Pipeline& pipeline : pipelines) finish(pipeline);
  for (int number = 0; number < kStreams; number++) {
    for (int i = 0; i < kCount; i++) {
      int want = expected(i, number) + (number == kStreams - 1 ? expected(i, 0) : 0);
      REQUIRE(pipelines[number].host[i] == want);
      sum += want;
    }
  }
  for (Pipeline& pipeline : pipelines) {
    CHECK(cudaStreamDestroy(pipeline.stream));
    CHECK(cudaFreeHost(pipeline.host));
    CHECK(cudaFree(pipeline.device));
  }
  CHECK(cudaEventDestroy(first_done));
  std::printf("%d streams, sum %lld\n", kStreams, sum);
  return passed();
}
