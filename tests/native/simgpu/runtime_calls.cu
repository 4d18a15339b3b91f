// What the CUDA runtime makes of arrays, textures, surfaces, graphs, managed variables and user objects. Prints PASSED.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                                             \
  do {                                                                          \
    const cudaError_t error = (call);                                           \
    if (error != cudaSuccess) fail(__LINE__, #call, cudaGetErrorString(error)); \
  } while (0)
#define EXPECT(condition)                                        \
  do {                                                           \
    if (!(condition)) fail(__LINE__, #condition, "is not true"); \
  } while (0)

static void fail(int line, const char* what, const char* why) {
  printf("line %d: %s: %s\n", line, what, why);
  exit(1);
}

__managed__ int shared_value = 3;

__global__ void write_surface(cudaSurfaceObject_t surface) {
  surf2Dwrite(static_cast<float>(threadIdx.x + 100 * threadIdx.y), surface, threadIdx.x * 4, threadIdx.y);
}
__global__ void read_texture(cudaTextureObject_t texture, float* out) {
  out[threadIdx.y * 8 + threadIdx.x] = tex2D<float>(texture, (threadIdx.x + 0.5f) / 8, (threadIdx.y + 0.5f) / 8);
}
__global__ void read_linear(cudaTextureObject_t texture, float* out) { out[threadIdx.x] = tex1Dfetch<float>(texture, threadIdx.x); }
__global__ void read_layers(cudaTextureObject_t texture, float* out) {
  out[threadIdx.x] = tex2DLayered<float>(texture, 1.5f, 0.5f, threadIdx.x);
}
__global__ void add(int* values, int more) { values[threadIdx.x] += more; }
__global__ void twice() { shared_value *= 2; }

static cudaTextureObject_t texture_of(const cudaResourceDesc& resource, bool smooth) {
  cudaTextureDesc description{};
  description.filterMode = smooth ? cudaFilterModeLinear : cudaFilterModePoint;
  description.normalizedCoords = smooth;
  cudaTextureObject_t texture;
  CHECK(cudaCreateTextureObject(&texture, &resource, &description, nullptr));
  return texture;
}

static void surfaces_and_textures(float* out) {
  const cudaChannelFormatDesc floats = cudaCreateChannelDesc<float>();
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypeArray;
  CHECK(cudaMallocArray(&resource.res.array.array, &floats, 8, 8, cudaArraySurfaceLoadStore));
  cudaSurfaceObject_t surface;
  CHECK(cudaCreateSurfaceObject(&surface, &resource));
  write_surface<<<1, dim3(8, 8)>>>(surface);
  read_texture<<<1, dim3(8, 8)>>>(texture_of(resource, true), out);
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < 64; i++) EXPECT(out[i] == i % 8 + 100 * (i / 8));
  CHECK(cudaDestroySurfaceObject(surface));
}

static void linear_memory(float* out) {
  std::vector<float> numbers(64);
  for (int i = 0; i < 64; i++) numbers[i] = 2.0f * i;
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypeLinear;
  resource.res.linear.desc = cudaCreateChannelDesc<float>();
  resource.res.linear.sizeInBytes = 256;
  CHECK(cudaMalloc(&resource.res.linear.devPtr, 256));
  CHECK(cudaMemcpy(resource.res.linear.devPtr, numbers.data(), 256, cudaMemcpyHostToDevice));
  read_linear<<<1, 64>>>(texture_of(resource, false), out);
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < 64; i++) EXPECT(out[i] == numbers[i]);
}

static void layers_and_levels(float* out) {
  const cudaChannelFormatDesc floats = cudaCreateChannelDesc<float>();
  float numbers[12];
  for (int i = 0; i < 12; i++) numbers[i] = static_cast<float>(i);
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypeArray;
  CHECK(cudaMalloc3DArray(&resource.res.array.array, &floats, make_cudaExtent(2, 2, 3), cudaArrayLayered));
  cudaMemcpy3DParms copy{};
  copy.srcPtr = make_cudaPitchedPtr(numbers, 8, 2, 2);
  copy.dstArray = resource.res.array.array;
  copy.extent = make_cudaExtent(2, 2, 3);
  copy.kind = cudaMemcpyHostToDevice;
  CHECK(cudaMemcpy3D(&copy));
  read_layers<<<1, 3>>>(texture_of(resource, false), out);
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < 3; i++) EXPECT(out[i] == 4 * i + 1);

  cudaMipmappedArray_t mipmap;
  cudaArray_t level;
  cudaExtent extent;
  CHECK(cudaMallocMipmappedArray(&mipmap, &floats, make_cudaExtent(8, 8, 0), 4));
  CHECK(cudaGetMipmappedArrayLevel(&level, mipmap, 2));
  CHECK(cudaArrayGetInfo(nullptr, &extent, nullptr, level));
  EXPECT(extent.width == 2);
  CHECK(cudaFreeMipmappedArray(mipmap));
}

static void graph_by_hand(cudaStream_t stream, int* out) {
  cudaGraph_t graph;
  cudaGraphNode_t allocation, fill, kernel, copy, release;
  CHECK(cudaGraphCreate(&graph, 0));
  cudaMemAllocNodeParams memory{};
  memory.poolProps.allocType = cudaMemAllocationTypePinned;
  memory.poolProps.location.type = cudaMemLocationTypeDevice;
  memory.bytesize = 1024;
  CHECK(cudaGraphAddMemAllocNode(&allocation, graph, nullptr, 0, &memory));
  cudaMemsetParams zeros{};
  zeros.dst = memory.dptr, zeros.elementSize = 4, zeros.width = 32, zeros.height = 1;
  CHECK(cudaGraphAddMemsetNode(&fill, graph, &allocation, 1, &zeros));
  int more = 5;
  void* arguments[] = {&memory.dptr, &more};
  cudaKernelNodeParams launch{};
  launch.func = reinterpret_cast<void*>(add);
  launch.gridDim = 1, launch.blockDim = 32, launch.kernelParams = arguments;
  CHECK(cudaGraphAddKernelNode(&kernel, graph, &fill, 1, &launch));
  CHECK(cudaGraphAddMemcpyNode1D(&copy, graph, &kernel, 1, out, memory.dptr, 128, cudaMemcpyDeviceToHost));
  CHECK(cudaGraphAddMemFreeNode(&release, graph, &copy, 1, memory.dptr));
  static int gone;
  cudaUserObject_t object;
  CHECK(cudaUserObjectCreate(&object, &gone, [](void* flag) { *static_cast<int*>(flag) = 1; }, 1, cudaUserObjectNoDestructorSync));
  CHECK(cudaGraphRetainUserObject(graph, object, 1, cudaGraphUserObjectMove));
  cudaGraphExec_t executable;
  CHECK(cudaGraphInstantiate(&executable, graph, 0));
  for (more = 5; more < 8; more++) {
    CHECK(cudaGraphExecKernelNodeSetParams(executable, kernel, &launch));
    CHECK(cudaGraphLaunch(executable, stream));
    CHECK(cudaStreamSynchronize(stream));
    EXPECT(out[7] == more);
  }
  CHECK(cudaGraphDestroy(graph));
  EXPECT(!gone);
  CHECK(cudaGraphExecDestroy(executable));
  EXPECT(gone);
}

static void captured_allocations(cudaStream_t stream, int* out) {
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  int* memory;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  CHECK(cudaMallocAsync(&memory, 128, stream));
  CHECK(cudaMemsetAsync(memory, 0, 128, stream));
  add<<<1, 32, 0, stream>>>(memory, 4);
  CHECK(cudaMemcpyAsync(out, memory, 128, cudaMemcpyDeviceToHost, stream));
  CHECK(cudaFreeAsync(memory, stream));
  CHECK(cudaStreamEndCapture(stream, &graph));
  CHECK(cudaGraphInstantiate(&executable, graph, 0));
  for (int i = 0; i < 3; i++) CHECK(cudaGraphLaunch(executable, stream));
  CHECK(cudaStreamSynchronize(stream));
  EXPECT(out[31] == 4);
  CHECK(cudaDeviceGraphMemTrim(0));
}

static void managed_memory(float* memory, cudaStream_t stream) {
  twice<<<1, 1>>>();
  CHECK(cudaDeviceSynchronize());
  EXPECT(shared_value == 6);
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, &shared_value));
  EXPECT(attributes.type == cudaMemoryTypeManaged);
  const cudaMemLocation device{cudaMemLocationTypeDevice, {0}};
  int read_mostly = 0;
  CHECK(cudaMemAdvise(memory, 256, cudaMemAdviseSetReadMostly, device));
  CHECK(cudaMemPrefetchAsync(memory, 256, device, 0, stream));
  CHECK(cudaMemRangeGetAttribute(&read_mostly, 4, cudaMemRangeAttributeReadMostly, memory, 256));
  EXPECT(read_mostly == 1);
}

int main() {
  float* floats;
  int* pinned;
  cudaStream_t stream;
  CHECK(cudaMallocManaged(&floats, 256));
  CHECK(cudaMallocHost(&pinned, 128));
  CHECK(cudaStreamCreate(&stream));
  surfaces_and_textures(floats);
  linear_memory(floats);
  layers_and_levels(floats);
  graph_by_hand(stream, pinned);
  captured_allocations(stream, pinned);
  managed_memory(floats, stream);
  printf("PASSED\n");
}
