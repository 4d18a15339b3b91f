"""The calls of the CUDA driver and of NVML as typed rows; code, exports, tests and the coverage page are generated from them."""
