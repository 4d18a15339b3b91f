// How hard a simulated GPU works, and what its sensors read for it.
#pragma once

#include "simgpu/state.h"

namespace simgpu::nvml {

/// Percent of the recent past in which kernels or copies kept the GPU busy: since the question before last, a tenth of a second at least.
unsigned utilisation_percent(const DeviceInfo& gpu);

/// A reading between its idle and its busy value.
unsigned reading(const DeviceInfo& gpu, unsigned idle, unsigned busy);

/// True while a process has a context on the GPU: clocks are up then.
bool in_use(const DeviceInfo& gpu);

}  // namespace simgpu::nvml
