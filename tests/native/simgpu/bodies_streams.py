"""Streams, events, callbacks and capture. Each function runs in a process of its own on one GPU of 1 GiB."""

from __future__ import annotations

import ctypes
import threading
from ctypes import byref, c_int, c_size_t, c_uint, c_uint64, c_void_p

from tests.native.simgpu.driver import (
    CAPTURE_INVALIDATED,
    CAPTURE_UNSUPPORTED,
    HOST_FUNCTION,
    INVALID_HANDLE,
    NOT_PERMITTED,
    NOT_READY,
    Driver,
)


class Gate:
    """Holds a stream up: a host function that waits for `open()`.

    Whoever opens it waits for the stream before it returns: the driver's thread may still be inside the function, which
    must not go away under it.
    """

    def __init__(self, driver: Driver, stream: c_void_p) -> None:
        self._event = threading.Event()
        self._function = HOST_FUNCTION(lambda _: bool(self._event.wait(30)) and None)
        driver.call("cuLaunchHostFunc", stream, self._function, None)

    def open(self) -> None:
        """Lets the stream go on."""
        self._event.set()


def streams_run_on_their_own() -> None:
    """A stream that is held up holds nobody else up, and says that it is busy."""
    driver = Driver()
    slow, quick = driver.handle("cuStreamCreate", c_uint(1)), driver.handle("cuStreamCreate", c_uint(1))
    memory = driver.allocate(4)
    gate = Gate(driver, slow)
    assert driver.error("cuStreamQuery", slow) == NOT_READY
    driver.call("cuMemsetD32Async", c_uint64(memory), c_uint(9), c_size_t(1), quick)
    driver.call("cuStreamSynchronize", quick)
    assert driver.error("cuStreamQuery", slow) == NOT_READY
    gate.open()
    driver.call("cuStreamSynchronize", slow)
    assert driver.error("cuStreamQuery", slow) == 0


def events_order_streams() -> None:
    """A stream waits for another's event; the event is done only when its place is reached."""
    driver = Driver()
    first, second = driver.handle("cuStreamCreate", c_uint(1)), driver.handle("cuStreamCreate", c_uint(1))
    event = driver.handle("cuEventCreate", c_uint(0))
    memory = driver.allocate(4)
    driver.call("cuMemsetD32_v2", c_uint64(memory), c_uint(1), c_size_t(1))
    assert driver.error("cuEventQuery", event) == 0
    gate = Gate(driver, first)
    driver.call("cuMemsetD32Async", c_uint64(memory), c_uint(2), c_size_t(1), first)
    driver.call("cuEventRecord", event, first)
    driver.call("cuStreamWaitEvent", second, event, c_uint(0))
    seen: list[bytes] = []
    look = HOST_FUNCTION(lambda _: seen.append(ctypes.string_at(memory, 4)))
    driver.call("cuLaunchHostFunc", second, look, None)
    assert driver.error("cuEventQuery", event) == NOT_READY
    assert not seen
    gate.open()
    driver.call("cuStreamSynchronize", second)
    assert seen == [b"\x02\0\0\0"]


def events_measure_time() -> None:
    """Elapsed time lies between the events, and untimed events have none."""
    driver = Driver()
    stream = driver.handle("cuStreamCreate", c_uint(1))
    start, end, untimed = (driver.handle("cuEventCreate", c_uint(flags)) for flags in (0, 0, 2))
    for event in (start, end, untimed):
        driver.call("cuEventRecord", event, stream)
    driver.call("cuEventSynchronize", untimed)
    assert 0 <= driver.elapsed(start, end) < 10_000
    assert driver.error("cuEventElapsedTime_v2", byref(ctypes.c_float()), start, untimed) == INVALID_HANDLE


def legacy_stream_is_a_barrier() -> None:
    """Work in the default stream comes after blocking streams' work and not after non-blocking streams'."""
    driver = Driver()
    blocking, free = driver.handle("cuStreamCreate", c_uint(0)), driver.handle("cuStreamCreate", c_uint(1))
    event = driver.handle("cuEventCreate", c_uint(2))
    free_gate = Gate(driver, free)
    driver.call("cuEventRecord", event, None)
    driver.call("cuEventSynchronize", event)
    free_gate.open()
    gate = Gate(driver, blocking)
    driver.call("cuEventRecord", event, None)
    assert driver.error("cuEventQuery", event) == NOT_READY
    gate.open()
    driver.call("cuEventSynchronize", event)
    driver.call("cuStreamSynchronize", free)


def per_thread_streams_differ() -> None:
    """The _ptsz forms use a stream of the calling thread: held up there, it is free elsewhere."""
    driver = Driver()
    gate = Gate(driver, c_void_p(2))
    assert driver.error("cuStreamQuery_ptsz", None) == NOT_READY
    results: list[int] = []

    def elsewhere() -> None:
        driver.call("cuCtxSetCurrent", driver.context)
        results.append(driver.error("cuStreamQuery_ptsz", None))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert results == [0]
    gate.open()
    driver.call("cuStreamSynchronize_ptsz", None)


def values_in_memory_hold_streams() -> None:
    """cuStreamWaitValue32 waits for cuStreamWriteValue32 of another stream."""
    driver = Driver()
    waiting, writing = driver.handle("cuStreamCreate", c_uint(1)), driver.handle("cuStreamCreate", c_uint(1))
    memory = driver.allocate(8)
    driver.call("cuMemsetD32_v2", c_uint64(memory), c_uint(0), c_size_t(2))
    driver.call("cuStreamWaitValue32_v2", waiting, c_uint64(memory), c_uint(3), c_uint(0))
    assert driver.error("cuStreamQuery", waiting) == NOT_READY
    driver.call("cuStreamWriteValue32_v2", writing, c_uint64(memory), c_uint(4), c_uint(0))
    driver.call("cuStreamSynchronize", waiting)


def callbacks_may_not_call_the_driver() -> None:
    """A host function that calls CUDA is told that it may not."""
    driver = Driver()
    stream = driver.handle("cuStreamCreate", c_uint(1))
    results: list[int] = []
    function = HOST_FUNCTION(lambda _: results.append(driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(16))))
    driver.call("cuLaunchHostFunc", stream, function, None)
    driver.call("cuStreamSynchronize", stream)
    assert results == [NOT_PERMITTED]


def destroyed_streams_finish() -> None:
    """Destroying a busy stream lets its work end; its handle is dead at once."""
    driver = Driver()
    stream = driver.handle("cuStreamCreate", c_uint(1))
    memory = driver.allocate(4)
    gate = Gate(driver, stream)
    driver.call("cuMemsetD32Async", c_uint64(memory), c_uint(77), c_size_t(1), stream)
    driver.call("cuStreamDestroy_v2", stream)
    assert driver.error("cuStreamQuery", stream) != 0
    gate.open()
    driver.call("cuCtxSynchronize")
    assert driver.download(memory, 4) == b"\x4d\0\0\0"


def capture_records_instead_of_running() -> None:
    """Captured work runs when the graph is launched, as often as it is launched, and can be replaced."""
    driver = Driver()
    stream = driver.handle("cuStreamCreate", c_uint(1))
    memory = driver.allocate(4)
    driver.call("cuMemsetD32_v2", c_uint64(memory), c_uint(0), c_size_t(1))
    runs: list[int] = []
    count = HOST_FUNCTION(lambda _: runs.append(1))
    driver.call("cuStreamBeginCapture_v2", stream, c_int(0))
    driver.call("cuMemsetD32Async", c_uint64(memory), c_uint(5), c_size_t(1), stream)
    driver.call("cuLaunchHostFunc", stream, count, None)
    graph = c_void_p()
    driver.call("cuStreamEndCapture", stream, byref(graph))
    nodes = c_size_t()
    driver.call("cuGraphGetNodes", graph, None, byref(nodes))
    assert nodes.value == 2
    assert driver.download(memory, 4) == bytes(4)
    executable = driver.handle("cuGraphInstantiateWithFlags", graph, c_uint64(0))
    for _ in range(2):
        driver.call("cuGraphLaunch", executable, stream)
    driver.call("cuStreamSynchronize", stream)
    assert len(runs) == 2
    assert driver.download(memory, 4) == b"\x05\0\0\0"
    driver.call("cuGraphExecDestroy", executable)
    driver.call("cuGraphDestroy", graph)


def capture_follows_events_into_other_streams() -> None:
    """A stream that waits for a captured event joins the capture; left unjoined, the capture fails."""
    driver = Driver()
    origin, branch = driver.handle("cuStreamCreate", c_uint(1)), driver.handle("cuStreamCreate", c_uint(1))
    fork, join = driver.handle("cuEventCreate", c_uint(2)), driver.handle("cuEventCreate", c_uint(2))
    memory = driver.allocate(8)
    for joined in (True, False):
        driver.call("cuStreamBeginCapture_v2", origin, c_int(0))
        driver.call("cuEventRecord", fork, origin)
        driver.call("cuStreamWaitEvent", branch, fork, c_uint(0))
        driver.call("cuMemsetD32Async", c_uint64(memory), c_uint(5), c_size_t(1), branch)
        if joined:
            driver.call("cuEventRecord", join, branch)
            driver.call("cuStreamWaitEvent", origin, join, c_uint(0))
        graph = c_void_p()
        assert driver.error("cuStreamEndCapture", origin, byref(graph)) == (0 if joined else 904)


def unsafe_calls_spoil_a_capture() -> None:
    """Allocating or synchronising while capturing is refused, and so is the capture's end."""
    driver = Driver()
    stream = driver.handle("cuStreamCreate", c_uint(1))
    driver.call("cuStreamBeginCapture_v2", stream, c_int(0))
    assert driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(16)) == CAPTURE_UNSUPPORTED
    assert driver.error("cuStreamEndCapture", stream, byref(c_void_p())) == CAPTURE_INVALIDATED
    driver.call("cuMemAlloc_v2", byref(c_uint64()), c_size_t(16))
