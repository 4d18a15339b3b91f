"""Launch calls."""

from __future__ import annotations

from native.spec.model import FUNCTION, STREAM, CallClass, call, code, handle, opaque, out, refused, struct_in, value

ASYNC = CallClass.ASYNC

_MULTI = "grids over several GPUs were withdrawn with CUDA 11.3; launch one on each"

ROWS = (
    call(
        "cuLaunchKernel",
        4000,
        ASYNC,
        handle("f", FUNCTION),
        value("gridDimX", "unsigned int"),
        value("gridDimY", "unsigned int"),
        value("gridDimZ", "unsigned int"),
        value("blockDimX", "unsigned int"),
        value("blockDimY", "unsigned int"),
        value("blockDimZ", "unsigned int"),
        value("sharedMemBytes", "unsigned int"),
        handle("hStream", STREAM),
        opaque("kernelParams", "void **"),
        opaque("extra", "void **"),
        via="Launch",
        per_thread="ptsz@7000",
    ),
    call(
        "cuLaunchKernelEx",
        11060,
        ASYNC,
        struct_in("config", "CUlaunchConfig"),
        handle("f", FUNCTION),
        opaque("kernelParams", "void **"),
        opaque("extra", "void **"),
        via="Launch",
        per_thread="ptsz@11060",
    ),
    call(
        "cuLaunchCooperativeKernel",
        9000,
        ASYNC,
        handle("f", FUNCTION),
        value("gridDimX", "unsigned int"),
        value("gridDimY", "unsigned int"),
        value("gridDimZ", "unsigned int"),
        value("blockDimX", "unsigned int"),
        value("blockDimY", "unsigned int"),
        value("blockDimZ", "unsigned int"),
        value("sharedMemBytes", "unsigned int"),
        handle("hStream", STREAM),
        opaque("kernelParams", "void **"),
        via="Launch",
        per_thread="ptsz@9000",
    ),
    call(
        "cuLaunchHostFunc",
        10000,
        ASYNC,
        handle("hStream", STREAM),
        code("fn", "CUhostFn"),
        opaque("userData", "void *"),
        via="HostFunction",
        per_thread="ptsz@10000",
    ),
    call(
        "cuLaunchHostFunc_v2",
        13010,
        ASYNC,
        handle("hStream", STREAM),
        code("fn", "CUhostFn"),
        opaque("userData", "void *"),
        value("syncMode", "unsigned int"),
        via="HostFunction",
        per_thread="ptsz@13010",
    ),
    refused(
        "cuLaunchCooperativeKernelMultiDevice",
        9000,
        _MULTI,
        out("launchParamsList", "CUDA_LAUNCH_PARAMS"),
        value("numDevices", "unsigned int"),
        value("flags", "unsigned int"),
    ),
)
