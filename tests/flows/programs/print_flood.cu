// Kernels print more between two synchronizations than anybody keeps.
#include "../../cuda/programs/check.h"

// Lines of 1,000 bytes.
__global__ void flood(int lines) {
  for (int line = 0; line < lines; line++) printf("%999d\n", line);
}

int main() {
  flood<<<1, 1>>>(70'000);
  CHECK(cudaDeviceSynchronize());
  return passed();
}
