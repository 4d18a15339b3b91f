// What every simulated board reports of itself: one table, from which the calls pick.
#pragma once

namespace simgpu::nvml::board {

// Driver release and CUDA version go together: the branch that ships the CUDA of the pinned headers.
inline constexpr char kDriverVersion[] = "615.71";
inline constexpr char kDriverBranch[] = "r615_00";
inline constexpr char kNvmlVersion[] = "13.615.71";

inline constexpr char kVbios[] = "98.02.51.00.01";
inline constexpr char kPartNumber[] = "900-5G133-SIMGPU-000";
inline constexpr char kInforom[] = "G133.0500.00.01";
inline constexpr unsigned kPciDeviceId = 0x2BB110DE;  // device 2BB1 of vendor 10DE
inline constexpr unsigned kPciSubsystemId = 0x204B10DE;
inline constexpr unsigned kPciBaseClass = 0x03;
inline constexpr unsigned kPciSubclass = 0x02;

inline constexpr unsigned kPcieGeneration = 5;
inline constexpr unsigned kPcieWidth = 16;
inline constexpr unsigned kPcieSpeedMbps = 32000;
inline constexpr unsigned kMemoryBusBits = 512;
inline constexpr unsigned kCoresPerMultiprocessor = 128;
inline constexpr unsigned long long kBar1Bytes = 256ull << 20;

inline constexpr unsigned kTemperatureIdle = 36;
inline constexpr unsigned kTemperatureBusy = 54;
inline constexpr unsigned kTemperatureMax = 88;
inline constexpr unsigned kTemperatureSlowdown = 92;
inline constexpr unsigned kTemperatureShutdown = 95;

inline constexpr unsigned kPowerIdleMilliwatts = 15'000;
inline constexpr unsigned kPowerBusyMilliwatts = 180'000;
inline constexpr unsigned kPowerLimitMilliwatts = 300'000;
inline constexpr unsigned kPowerLimitMinMilliwatts = 150'000;

inline constexpr unsigned kFanPercentIdle = 0;
inline constexpr unsigned kFanPercentBusy = 30;
inline constexpr unsigned kFans = 1;

inline constexpr unsigned kGraphicsClockIdle = 180;
inline constexpr unsigned kGraphicsClockMax = 2400;
inline constexpr unsigned kMemoryClockIdle = 405;
inline constexpr unsigned kMemoryClockMax = 14'001;
inline constexpr unsigned kVideoClockIdle = 600;
inline constexpr unsigned kVideoClockMax = 2000;

}  // namespace simgpu::nvml::board
