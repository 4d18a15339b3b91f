// A matrix turned on its side through a padded tile of shared memory; the edges do not fill their tiles.
#include "check.h"

constexpr int kTile = 32;
constexpr int kRows = 8;

__global__ void transpose(const double* in, double* out, int width, int height) {
  __shared__ double tile[kTile][kTile + 1];
  int x = blockIdx.x * kTile + threadIdx.x;
  for (int j = threadIdx.y; j < kTile; j += kRows) {
    int y = blockIdx.y * kTile + j;
    if (x < width && y < height) tile[j][threadIdx.x] = in[y * width + x];
  }
  __syncthreads();
  int column = blockIdx.y * kTile + threadIdx.x;
  for (int j = threadIdx.y; j < kTile; j += kRows) {
    int row = blockIdx.x * kTile + j;
    if (column < height && row < width) out[row * height + column] = tile[threadIdx.x][j];
  }
}

int main() {
  const int width = 333, height = 517;
  std::vector<double> in(width * height), expected(width * height);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) expected[x * height + y] = in[y * width + x] = y * 1000.0 + x;
  }
  DeviceArray<double> device(in), out(in.size());
  dim3 grid((width + kTile - 1) / kTile, (height + kTile - 1) / kTile);
  transpose<<<grid, dim3(kTile, kRows)>>>(device.get(), out.get(), width, height);
  CHECK(cudaGetLastError());
  std::vector<double> actual = out.copy();
  require_equal(expected, actual);
  std::printf("%d x %d, checksum %016llx\n", width, height, static_cast<unsigned long long>(checksum(actual)));
  return passed();
}
