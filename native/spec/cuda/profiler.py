"""Profiler calls."""

from __future__ import annotations

from native.spec.model import CallClass, call, path, refused, value

LOCAL = CallClass.LOCAL

_PROFILER = "withdrawn with CUDA 11; profiles would be written on the server"

ROWS = (
    refused("cuProfilerInitialize", 4000, _PROFILER, path("configFile"), path("outputFile"), value("outputMode", "CUoutput_mode")),
    call("cuProfilerStart", 4000, LOCAL),
    call("cuProfilerStop", 4000, LOCAL),
)
