"""Bodies of tests that depend on environment variables or on other processes."""

from __future__ import annotations

import sys
from ctypes import byref, c_int, c_size_t, c_uint, c_uint64, create_string_buffer

from tests.native.simgpu.driver import DEVICE_UNAVAILABLE, NO_DEVICE, OUT_OF_MEMORY, Driver

MIB = 1 << 20
PCI_BUS_ID = 33


def _initialised() -> Driver:
    driver = Driver(None)
    driver.call("cuInit", 0)
    return driver


def print_uuids() -> None:
    """One line per device."""
    driver = _initialised()
    for device in range(driver.integer("cuDeviceGetCount")):
        uuid = create_string_buffer(16)
        driver.call("cuDeviceGetUuid_v2", uuid, device)
        print(uuid.raw.hex())


def print_buses() -> None:
    """The PCI bus of every visible device."""
    driver = _initialised()
    for device in range(driver.integer("cuDeviceGetCount")):
        print(driver.integer("cuDeviceGetAttribute", c_int(PCI_BUS_ID), device))


def expect_no_device() -> None:
    """No device is visible."""
    assert Driver(None).error("cuInit", 0) == NO_DEVICE


def launches_do_nothing() -> None:
    """A launch is accepted."""
    driver = Driver()
    memory = driver.allocate(4)
    driver.call("cuMemsetD32_v2", c_uint64(memory), c_uint(1), c_size_t(1))
    assert driver.launch(driver.kernel(b"store"), [c_uint64(memory), c_uint(9)]) == 0
    assert driver.download(memory, 4) == b"\x01\0\0\0"


def expect_out_of_memory() -> None:
    """Every allocation fails."""
    assert Driver().error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(16)) == OUT_OF_MEMORY


def expect_lost() -> None:
    """No context can be made."""
    driver = _initialised()
    assert driver.error("cuDevicePrimaryCtxRetain", byref(c_uint64()), 0) == DEVICE_UNAVAILABLE


def hold_700_mib() -> None:
    """Allocates, says so, and waits to be killed."""
    Driver().allocate(700 * MIB)
    print("held", flush=True)
    sys.stdin.read()


def try_700_mib() -> None:
    """Prints the result of an allocation and the free memory behind it."""
    driver = Driver()
    result = driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(700 * MIB))
    print(result, driver.memory_info()[0] // MIB)
