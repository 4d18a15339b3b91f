// Answers that are not the server's: what a session may see of memory and processes.
#pragma once

#include "worker/handlers/nvml/asked.h"

namespace bitfusion::worker::nvml::by_hand {

nvmlReturn_t nvmlDeviceGetMemoryInfo(Asked& asked, nvmlDevice_t device, nvmlMemory_t* memory);
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(Asked& asked, nvmlDevice_t device, nvmlMemory_v2_t* memory);
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(Asked& asked, nvmlDevice_t device, unsigned* count, nvmlProcessInfo_t* processes);
// One field; the key is its id and scope, the result the whole nvmlFieldValue_t.
void answer_nvmlDeviceGetFieldValues(Asked& asked);

}  // namespace bitfusion::worker::nvml::by_hand
