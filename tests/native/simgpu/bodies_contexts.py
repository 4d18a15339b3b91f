"""Initialisation, contexts, procedure look-up. Each function runs in a process of its own on one GPU of 1 GiB."""

from __future__ import annotations

import os
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p, cast

from tests.native.simgpu.driver import (
    CONTEXT_IS_DESTROYED,
    INVALID_CONTEXT,
    INVALID_DEVICE,
    INVALID_VALUE,
    NOT_FOUND,
    NOT_INITIALIZED,
    NOT_SUPPORTED,
    Driver,
)


def nothing_works_before_init() -> None:
    """Only cuDriverGetVersion and the error texts do."""
    driver = Driver(None)
    assert driver.error("cuDeviceGetCount", byref(c_int())) == NOT_INITIALIZED
    assert driver.integer("cuDriverGetVersion") == 13050
    assert driver.error("cuInit", 1) == INVALID_VALUE


def a_context_is_needed() -> None:
    """Calls without a current context, or with a wrong device, are refused."""
    driver = Driver(None)
    driver.call("cuInit", 0)
    assert driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(16)) == INVALID_CONTEXT
    assert driver.error("cuDeviceGet", byref(c_int()), 1) == INVALID_DEVICE
    assert driver.error("cuCtxCreate_v2", byref(c_void_p()), c_uint(0), 1) == INVALID_DEVICE


def contexts_stack() -> None:
    """Created contexts are current; popping shows the one below; a destroyed one is gone."""
    driver = Driver()
    own = driver.handle("cuCtxCreate_v2", c_uint(0), 0)
    assert driver.handle("cuCtxGetCurrent").value == own.value
    memory = driver.allocate(64)
    driver.call("cuCtxDestroy_v2", own)
    assert driver.handle("cuCtxGetCurrent").value == driver.context.value
    assert driver.error("cuMemFree_v2", c_uint64(memory)) == INVALID_VALUE
    assert driver.error("cuCtxPushCurrent_v2", own) == INVALID_CONTEXT


def primary_context_is_counted() -> None:
    """Retained twice, it lives until released twice, and can be had again."""
    driver = Driver()
    assert driver.handle("cuDevicePrimaryCtxRetain", 0).value == driver.context.value
    driver.call("cuDevicePrimaryCtxRelease_v2", 0)
    memory = driver.allocate(16)
    driver.call("cuDevicePrimaryCtxRelease_v2", 0)
    assert driver.error("cuMemFree_v2", c_uint64(memory)) == CONTEXT_IS_DESTROYED
    assert driver.error("cuDevicePrimaryCtxRelease_v2", 0) == INVALID_CONTEXT
    driver.handle("cuDevicePrimaryCtxRetain", 0)
    driver.allocate(16)


def a_forked_child_has_no_cuda() -> None:
    """As on a real driver: the parent goes on, the child is told."""
    driver = Driver()
    child = os.fork()
    if child == 0:
        os._exit(0 if driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(16)) == NOT_INITIALIZED else 1)
    assert os.waitpid(child, 0)[1] == 0
    driver.allocate(16)


def procedures_follow_versions() -> None:
    """Variants by version and by stream flag; unknown names and old versions say which they are."""
    driver = Driver()

    def look_up(name: bytes, version: int, flags: int = 0) -> tuple[int, int, int]:
        out, status = c_void_p(), c_int(-1)
        result = driver.error("cuGetProcAddress_v2", c_char_p(name), byref(out), c_int(version), c_uint64(flags), byref(status))
        return result, status.value, out.value or 0

    def symbol(name: str) -> int:
        return cast(getattr(driver.library, name), c_void_p).value or 0

    assert look_up(b"cuCtxCreate", 11040) == (0, 0, symbol("cuCtxCreate_v3"))
    assert look_up(b"cuCtxCreate", 13000) == (0, 0, symbol("cuCtxCreate_v4"))
    assert look_up(b"cuMemcpyHtoDAsync", 13000, 2) == (0, 0, symbol("cuMemcpyHtoDAsync_v2_ptsz"))
    assert look_up(b"cuLaunchKernelEx", 11000) == (NOT_FOUND, 2, 0)
    assert look_up(b"cuFrobnicate", 13000) == (NOT_FOUND, 1, 0)
    assert driver.error("cuGetProcAddress_v2", None, byref(c_void_p()), c_int(13000), c_uint64(0), None) == INVALID_VALUE


def unimplemented_calls_refuse() -> None:
    """They are there, answer NOT_SUPPORTED, and never pretend."""
    driver = Driver()
    assert driver.error("cuCheckpointProcessLock", c_int(1), None) == NOT_SUPPORTED
