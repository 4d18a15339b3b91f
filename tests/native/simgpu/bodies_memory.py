"""Memory, as a program sees it. Each function runs in a process of its own on one GPU of 1 GiB."""

from __future__ import annotations

import ctypes
import os
import struct
from ctypes import byref, c_int, c_size_t, c_uint, c_uint64, c_void_p

from tests.native.simgpu.driver import INVALID_VALUE, OUT_OF_MEMORY, Driver

MIB = 1 << 20
ADDRESS_MODE_TYPES = {"context": 1, "memory_type": 2, "is_managed": 8, "ordinal": 9, "range_start": 11, "range_size": 12}


def copies_keep_every_byte() -> None:
    """What goes up comes down, whole and in part, and between allocations."""
    driver = Driver()
    data = os.urandom(3 * MIB + 5)
    first, second = driver.allocate(len(data)), driver.allocate(len(data))
    driver.upload(first, data)
    driver.call("cuMemcpyDtoD_v2", c_uint64(second), c_uint64(first), c_size_t(len(data)))
    assert driver.download(second, len(data)) == data
    assert driver.download(second + 100, 1000) == data[100:1100]


def fills_set_elements() -> None:
    """cuMemsetD8/D16/D32 and the pitched form."""
    driver = Driver()
    memory = driver.allocate(4096)
    driver.call("cuMemsetD8_v2", c_uint64(memory), c_uint(0xAB), c_size_t(4096))
    driver.call("cuMemsetD16_v2", c_uint64(memory), c_uint(0x1234), c_size_t(4))
    driver.call("cuMemsetD32_v2", c_uint64(memory + 8), c_uint(0xDEADBEEF), c_size_t(1))
    assert driver.download(memory, 13) == b"\x34\x12" * 4 + b"\xef\xbe\xad\xde" + b"\xab"
    driver.call("cuMemsetD2D8_v2", c_uint64(memory), c_size_t(64), c_uint(0), c_size_t(2), c_size_t(3))
    assert [driver.download(memory + 64 * row, 3)[:2] for row in range(3)] == [b"\0\0"] * 3
    assert driver.download(memory + 66, 1) == b"\xab"
    driver.call("cuMemsetD2D8_v2", c_uint64(memory), c_size_t(0), c_uint(0), c_size_t(0), c_size_t(2**64 - 1))  # many rows of nothing
    for pitch, height in ((1 << 63, 3), (1 << 32, (1 << 32) + 1)):  # more than 64 bits hold
        assert driver.error("cuMemsetD2D8_v2", c_uint64(memory), c_size_t(pitch), c_uint(0), c_size_t(1), c_size_t(height)) == INVALID_VALUE


def too_much_is_out_of_memory() -> None:
    """More than is free fails and changes nothing; what is freed can be had again."""
    driver = Driver()
    free, total = driver.memory_info()
    assert total == 1024 * MIB
    assert driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(free + MIB)) == OUT_OF_MEMORY
    most = driver.allocate(900 * MIB)
    assert driver.memory_info()[0] == free - 900 * MIB
    assert driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(200 * MIB)) == OUT_OF_MEMORY
    driver.call("cuMemFree_v2", c_uint64(most))
    assert driver.memory_info()[0] == free
    driver.allocate(1000 * MIB)


def wrong_frees_are_refused() -> None:
    """Double frees, inner and foreign pointers are invalid; null is not."""
    driver = Driver()
    memory = driver.allocate(8192)
    assert driver.error("cuMemFree_v2", c_uint64(memory + 512)) == INVALID_VALUE
    driver.call("cuMemFree_v2", c_uint64(memory))
    assert driver.error("cuMemFree_v2", c_uint64(memory)) == INVALID_VALUE
    assert driver.error("cuMemFree_v2", c_uint64(0x1234)) == INVALID_VALUE
    driver.call("cuMemFree_v2", c_uint64(0))


def copies_outside_allocations_are_refused() -> None:
    """A copy that runs over the end of an allocation, or into none, is an invalid value."""
    driver = Driver()
    memory = driver.allocate(1000)
    assert driver.error("cuMemcpyHtoD_v2", c_uint64(memory), bytes(1001), c_size_t(1001)) == INVALID_VALUE
    assert driver.error("cuMemcpyHtoD_v2", c_uint64(0x1000), bytes(8), c_size_t(8)) == INVALID_VALUE


def freed_memory_is_zero_when_reused() -> None:
    """Nothing of another's data is seen: pages go back to the system."""
    driver = Driver()
    memory = driver.allocate(4 * MIB)
    driver.call("cuMemsetD8_v2", c_uint64(memory), c_uint(1), c_size_t(4 * MIB))
    driver.call("cuMemFree_v2", c_uint64(memory))
    again = driver.allocate(4 * MIB)
    assert driver.download(again, 4 * MIB) == bytes(4 * MIB)


def pointer_attributes_tell_kinds_apart() -> None:
    """Device, pinned, managed, registered and unknown memory."""
    driver = Driver()

    def attribute(kind: int, address: int) -> int:
        out = c_uint64(0)
        driver.call("cuPointerGetAttribute", byref(out), c_int(kind), c_uint64(address))
        return out.value

    device = driver.allocate(1000)
    pinned = driver.handle("cuMemHostAlloc", c_size_t(1000), c_uint(0)).value or 0
    managed = c_uint64()
    driver.call("cuMemAllocManaged", byref(managed), c_size_t(1000), c_uint(1))
    buffer = ctypes.create_string_buffer(5000)
    driver.call("cuMemHostRegister_v2", buffer, c_size_t(5000), c_uint(0))
    addresses = (device, pinned, managed.value, ctypes.addressof(buffer))
    assert [attribute(ADDRESS_MODE_TYPES["memory_type"], each) for each in addresses] == [2, 1, 2, 1]
    assert [attribute(ADDRESS_MODE_TYPES["is_managed"], each) & 0xFF for each in addresses] == [0, 0, 1, 0]
    assert attribute(ADDRESS_MODE_TYPES["range_start"], device + 10) == device
    assert attribute(ADDRESS_MODE_TYPES["range_size"], device + 10) == 1000
    assert driver.error("cuPointerGetAttribute", byref(c_uint64()), c_int(2), c_uint64(id(driver))) == INVALID_VALUE
    driver.call("cuMemHostUnregister", buffer)


def shaped_copies_follow_pitches() -> None:
    """cuMemcpy2D from packed host memory into pitched device memory and back."""
    driver = Driver()

    class Copy2D(ctypes.Structure):
        _fields_ = [
            *[
                (f"src_{name}", kind)
                for name, kind in (
                    ("x", c_size_t),
                    ("y", c_size_t),
                    ("type", c_size_t),
                    ("host", c_void_p),
                    ("device", c_uint64),
                    ("array", c_void_p),
                    ("pitch", c_size_t),
                )
            ],
            *[
                (f"dst_{name}", kind)
                for name, kind in (
                    ("x", c_size_t),
                    ("y", c_size_t),
                    ("type", c_size_t),
                    ("host", c_void_p),
                    ("device", c_uint64),
                    ("array", c_void_p),
                    ("pitch", c_size_t),
                )
            ],
            ("width", c_size_t),
            ("height", c_size_t),
        ]

    host = ctypes.create_string_buffer(bytes(range(60)), 60)
    back = ctypes.create_string_buffer(60)
    memory = driver.allocate(512 * 6)
    up = Copy2D(src_type=1, src_host=ctypes.addressof(host), src_pitch=10, dst_type=2, dst_device=memory, dst_pitch=512, width=10, height=6)
    driver.call("cuMemcpy2D_v2", byref(up))
    assert driver.download(memory + 512 * 5, 10) == bytes(range(50, 60))
    down = Copy2D(
        src_type=2, src_device=memory, src_pitch=512, src_y=1, dst_type=1, dst_host=ctypes.addressof(back), dst_pitch=10, width=10, height=5
    )
    driver.call("cuMemcpy2D_v2", byref(down))
    assert back.raw[:50] == bytes(range(10, 60))


def pools_recycle_in_stream_order() -> None:
    """cuMemAllocAsync memory works, is counted, comes back, and cannot be freed twice."""
    driver = Driver()
    stream = driver.handle("cuStreamCreate", c_uint(1))
    free = driver.memory_info()[0]
    memory = c_uint64()
    driver.call("cuMemAllocAsync", byref(memory), c_size_t(MIB), stream)
    assert driver.memory_info()[0] == free - MIB
    driver.call("cuMemsetD8Async", memory, c_uint(5), c_size_t(MIB), stream)
    driver.call("cuMemFreeAsync", memory, stream)
    assert driver.error("cuMemFreeAsync", memory, stream) == INVALID_VALUE
    driver.call("cuStreamSynchronize", stream)
    assert driver.memory_info()[0] == free


class Location(ctypes.Structure):
    """CUmemLocation."""

    _fields_ = [("type", c_int), ("id", c_int)]


class Properties(ctypes.Structure):
    """CUmemAllocationProp."""

    _fields_ = [("type", c_int), ("handles", c_int), ("location", Location), ("windows", c_void_p), ("flags", c_uint64)]


class Access(ctypes.Structure):
    """CUmemAccessDesc."""

    _fields_ = [("location", Location), ("flags", c_int)]


def virtual_memory_maps_and_counts() -> None:
    """Reserve, create, map, set access, use through two mappings of one handle, take apart."""
    driver = Driver()
    free = driver.memory_info()[0]
    properties = Properties(type=1, location=Location(1, 0))
    size = 2 * MIB
    reserved, handle = c_uint64(), c_uint64()
    driver.call("cuMemAddressReserve", byref(reserved), c_size_t(2 * size), c_size_t(0), c_uint64(0), c_uint64(0))
    driver.call("cuMemCreate", byref(handle), c_size_t(size), byref(properties), c_uint64(0))
    assert driver.memory_info()[0] == free - size
    for place in (reserved.value, reserved.value + size):
        driver.call("cuMemMap", c_uint64(place), c_size_t(size), c_size_t(0), handle, c_uint64(0))
    access = Access(Location(1, 0), 3)
    driver.call("cuMemSetAccess", reserved, c_size_t(2 * size), byref(access), c_size_t(1))
    driver.upload(reserved.value + 5, b"twice")
    assert driver.download(reserved.value + size + 5, 5) == b"twice"
    driver.call("cuMemUnmap", reserved, c_size_t(2 * size))
    driver.call("cuMemRelease", handle)
    assert driver.memory_info()[0] == free
    driver.call("cuMemAddressFree", reserved, c_size_t(2 * size))


def advice_about_managed_memory_is_remembered() -> None:
    """Attributes of a range are what all of its pages share; freed memory forgets."""
    driver = Driver()
    managed, prefetched = c_uint64(), c_int()
    driver.call("cuMemAllocManaged", byref(managed), c_size_t(4 * 65536), c_uint(1))
    start = managed.value

    def attribute(kind: int, address: int, size: int) -> int:
        out = c_int(99)
        driver.call("cuMemRangeGetAttribute", byref(out), c_size_t(4), c_int(kind), c_uint64(address), c_size_t(size))
        return out.value

    assert [attribute(kind, start, 65536) for kind in (1, 2, 3, 4)] == [0, -2, -2, -2]
    driver.call("cuMemAdvise", c_uint64(start), c_size_t(65536), c_int(1), c_int(0))
    driver.call("cuMemAdvise", c_uint64(start), c_size_t(65536), c_int(3), c_int(-1))
    driver.call("cuMemAdvise", c_uint64(start + 65536), c_size_t(65536), c_int(5), c_int(0))
    assert [attribute(kind, start, 65536) for kind in (1, 2, 3)] == [1, -1, -2]
    assert [attribute(kind, start, 2 * 65536) for kind in (1, 2)] == [0, -2]
    assert attribute(3, start + 65536, 65536) == 0
    driver.call("cuMemPrefetchAsync", c_uint64(start), c_size_t(4 * 65536), c_int(0), None)
    assert attribute(4, start, 4 * 65536) == 0
    kinds, sizes = (c_int * 2)(1, 4), (c_size_t * 2)(4, 4)
    flag = c_int()
    places = (c_void_p * 2)(ctypes.addressof(flag), ctypes.addressof(prefetched))
    driver.call("cuMemRangeGetAttributes", places, sizes, kinds, c_size_t(2), c_uint64(start), c_size_t(65536))
    assert (flag.value, prefetched.value) == (1, 0)
    assert driver.error("cuMemAdvise", c_uint64(start), c_size_t(65536), c_int(77), c_int(0)) == INVALID_VALUE
    assert driver.error("cuMemAdvise", c_uint64(driver.allocate(64)), c_size_t(64), c_int(1), c_int(0)) == INVALID_VALUE
    driver.call("cuMemFree_v2", c_uint64(start))
    driver.call("cuMemAllocManaged", byref(managed), c_size_t(4 * 65536), c_uint(1))
    assert attribute(1, managed.value, 65536) == 0


def managed_memory_is_one_for_host_and_device() -> None:
    """What a fill on the device leaves, the host reads in place, and the other way round."""
    driver = Driver()
    managed, other = c_uint64(), driver.allocate(16)
    driver.call("cuMemAllocManaged", byref(managed), c_size_t(16), c_uint(1))
    driver.call("cuMemsetD32_v2", managed, c_uint(7), c_size_t(4))
    assert ctypes.string_at(managed.value, 16) == (7).to_bytes(4, "little") * 4
    ctypes.memmove(managed.value, bytes(range(16)), 16)
    driver.call("cuMemcpyDtoD_v2", c_uint64(other), managed, c_size_t(16))
    assert driver.download(other, 16) == bytes(range(16))


def batches_of_shaped_copies() -> None:
    """cuMemcpy3DBatchAsync copies between pitched memories, in bytes where no array is named."""
    driver = Driver()
    source, target = driver.allocate(64), driver.allocate(64)
    driver.upload(source, bytes(range(64)))
    stream = driver.handle("cuStreamCreate", c_uint(1))

    def operand(address: int, row: int) -> bytes:
        return struct.pack("<i4xQQQii", 1, address, row, 2, 0, 0)

    operation = operand(source, 8) + operand(target, 16) + struct.pack("<QQQiI", 8, 2, 1, 1, 0)
    size = len(operation)
    driver.call("cuMemcpy3DBatchAsync_v2", c_size_t(1), ctypes.create_string_buffer(operation, size), c_uint64(0), stream)
    driver.call("cuStreamSynchronize", stream)
    assert driver.download(target, 24) == bytes(range(8)) + bytes(8) + bytes(range(8, 16))
