// What nvmlErrorString answers; NVML words are part of the interface, tools print them as they are.
#pragma once

namespace bitfusion {

inline const char* nvml_error_text(int code) {
  static constexpr struct {
    int code;
    const char* text;
  } kTexts[] = {
      {0, "Success"},
      {1, "Uninitialized"},
      {2, "Invalid Argument"},
      {3, "Not Supported"},
      {4, "Insufficient Permissions"},
      {5, "Already Initialized"},
      {6, "Not Found"},
      {7, "Insufficient Size"},
      {8, "Insufficient External Power"},
      {9, "Driver Not Loaded"},
      {10, "Timeout"},
      {11, "Interrupt Request Issue"},
      {12, "NVML Shared Library Not Found"},
      {13, "Function Not Found"},
      {14, "Corrupted infoROM"},
      {15, "GPU is lost"},
      {16, "GPU requires reset"},
      {17, "The operating system has blocked the request."},
      {18, "RM has detected an NVML/RM version mismatch."},
      {19, "In use by another client"},
      {20, "Insufficient Memory"},
      {21, "No data"},
      {22, "The requested vgpu operation is not available on target device, because ECC is enabled"},
      {23, "Insufficient Resources"},
      {24, "The requested frequency is not supported"},
      {25, "The provided structure version is not supported"},
      {26, "Deprecated"},
      {27, "Not Ready"},
      {28, "GPU Not Found"},
      {29, "Invalid State"},
      {30, "Reset Type Not Supported"},
  };
  for (const auto& row : kTexts) {
    if (row.code == code) return row.text;
  }
  return "Unknown Error";
}

}  // namespace bitfusion
