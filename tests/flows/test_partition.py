"""Shares of a GPU's memory: what an application sees, what it may take, and how applications share a GPU."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.cuda_builder import Builder
from tests.demo import Demo

pytestmark = pytest.mark.gpu


def _reads_ready(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline().startswith("cudaSuccess")


@contextlib.contextmanager
def _on_a_terminal(demo: Demo, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A command whose talk goes to a terminal, where it shows its place in the queue; with the other end of that terminal."""
    ours, theirs = pty.openpty()
    command = [demo.handle.cli, *arguments]
    process = subprocess.Popen(command, env=demo.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


def _read_until(terminal: int, word: bytes) -> None:
    seen = b""
    while word not in seen:
        seen += os.read(terminal, 4096)


def _end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.terminate()
        process.communicate()


def test_memory_shows_the_partition(program: Builder, demo: Demo) -> None:
    """cudaMemGetInfo reports the partition, and an allocation past it is out of memory, not before."""
    done = demo.bitfusion("run", "-n", "1", "-m", "1024", "--", str(program("allocate")), "900", "1025", "2000", "512")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("total 1024 free")
    assert done.stdout.splitlines()[1:] == [
        "900 cudaSuccess",
        "1025 cudaErrorMemoryAllocation",
        "2000 cudaErrorMemoryAllocation",
        "512 cudaSuccess",
    ]


@pytest.mark.parametrize("option, expected", [(("-p", "0.5"), 8192), (("-p", "0.25"), 4096), (("-m", "2000"), 2000), ((), 16384)])
def test_every_spelling_of_a_share(option: tuple[str, ...], expected: int, program: Builder, demo: Demo) -> None:
    """A fraction is of the GPU's memory, -m is MiB, and neither is the whole GPU."""
    done = demo.bitfusion("run", "-n", "1", *option, "--", str(program("allocate")))

    assert done.stdout.startswith(f"total {expected} "), done.stderr


def test_two_halves_run_together_and_a_third_waits(program: Builder, own_demo: Demo) -> None:
    """Two applications share both GPUs half and half; a third waits in the queue and starts when one of them ends."""
    halves = [own_demo.start("run", "-n", "2", "-p", "0.5", "--", str(program("hold")), "forever") for _ in range(2)]
    try:
        assert all(_reads_ready(process) for process in halves)
        with _on_a_terminal(own_demo, "run", "-n", "1", "-p", "0.5", "--", str(program("allocate"))) as (third, terminal):
            _read_until(terminal, b"Waiting for GPUs: place 1")
            _end(halves[0])
            assert third.stdout is not None
            assert third.stdout.readline().startswith("total 8192")
            assert third.wait(20) == 0
    finally:
        _end(*halves)


def test_waiting_in_vain_ends_with_124(program: Builder, own_demo: Demo) -> None:
    """-t 3s gives up after three seconds."""
    holder = own_demo.start("run", "-n", "2", "--", str(program("hold")), "forever")
    try:
        assert _reads_ready(holder)
        started = time.monotonic()
        done = own_demo.bitfusion("run", "-n", "1", "-t", "3s", "--", "true")
        waited = time.monotonic() - started
    finally:
        _end(holder)

    assert done.returncode == 124, done.stderr
    assert 2.5 < waited < 8


def test_what_can_never_fit_is_refused_at_once(demo: Demo) -> None:
    """Three GPUs of a server with two: no waiting."""
    started = time.monotonic()
    done = demo.bitfusion("run", "-n", "3", "--", "true")

    assert done.returncode == 125, done.stderr
    assert "Error: 3 GPUs of one server are asked for, and no server has more than 2 at all\n" in done.stderr
    assert time.monotonic() - started < 5
