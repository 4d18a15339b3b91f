"""Loads PTX and runs kernels through the C test interface of native/src/simgpu/exec (target ``simgpu_exec_test``)."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BITFUSION_BUILD", ROOT / "build"))
LIBRARY = BUILD / "src/simgpu/exec/libsimgpu_exec_test.so"
CUDA = Path(sysconfig.get_path("purelib")) / "nvidia/cu13"

# Fault::Kind of exec.h.
NONE, ILLEGAL_ADDRESS, MISALIGNED, TRAP, ASSERT, ILLEGAL_INSTRUCTION, INVALID_PC, STACK_OVERFLOW, DEADLOCK, ABORTED, NO_RESOURCES = range(
    11
)
# 1 + LoadError::Kind.
INVALID_PTX, UNSUPPORTED, UNRESOLVED, COMPILER_UNAVAILABLE = range(1, 5)


def open_library() -> ctypes.CDLL:
    """The built library with its signatures."""
    library = ctypes.CDLL(str(LIBRARY))
    handle, text, u64 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64
    library.exec_open.restype = handle
    library.exec_message.restype = library.exec_printed.restype = text
    library.exec_message.argtypes = library.exec_printed.argtypes = [handle]
    library.exec_allocate.restype, library.exec_allocate.argtypes = u64, [handle, u64]
    library.exec_load.argtypes = [handle, ctypes.POINTER(text), ctypes.c_int]
    library.exec_global.restype, library.exec_global.argtypes = u64, [handle, text]
    library.exec_kernel_count.argtypes = [handle]
    library.exec_kernel_name.restype, library.exec_kernel_name.argtypes = text, [handle, ctypes.c_int]
    library.exec_prepare.argtypes = [handle, text, ctypes.POINTER(ctypes.c_uint32)]
    library.exec_set_cluster.restype, library.exec_set_cluster.argtypes = None, [handle, ctypes.c_void_p]
    library.exec_run.argtypes = [handle, text, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int]
    return library


class Buffer:
    """Device memory with host access (the arena is ordinary memory)."""

    def __init__(self, address: int, size: int) -> None:
        self.address, self.size = address, size

    def write(self, data: bytes) -> None:
        ctypes.memmove(self.address, data, len(data))

    def read(self, size: int | None = None) -> bytes:
        return ctypes.string_at(self.address, self.size if size is None else size)

    def unpack(self, code: str) -> tuple[Any, ...]:
        """All elements as ``struct`` code ``code``."""
        return struct.unpack(f"<{self.size // struct.calcsize(code)}{code}", self.read())


class Gpu:
    """One arena with one loaded program."""

    def __init__(self) -> None:
        self.library = open_library()
        self.session = self.library.exec_open()

    def buffer(self, data: bytes | int) -> Buffer:
        """New device memory: zeros of a size, or a copy of bytes."""
        size = data if isinstance(data, int) else len(data)
        made = Buffer(self.library.exec_allocate(self.session, max(size, 1)), size)
        if not isinstance(data, int):
            made.write(data)
        return made

    def load(self, *texts: str) -> int:
        """0, or one of the load error codes."""
        array = (ctypes.c_char_p * len(texts))(*(text.encode() for text in texts))
        return int(self.library.exec_load(self.session, array, len(texts)))

    def prepare(self, kernel: str) -> int:
        """0, or one of the load error codes."""
        return int(self.library.exec_prepare(self.session, kernel.encode(), None))

    def code(self, kernel: str) -> list[int]:
        """Static shared bytes, local bytes, registers, fibers."""
        values = (ctypes.c_uint32 * 4)()
        assert self.library.exec_prepare(self.session, kernel.encode(), values) == 0, self.message
        return list(values)

    def kernels(self) -> list[str]:
        count = self.library.exec_kernel_count(self.session)
        return [self.library.exec_kernel_name(self.session, i).decode() for i in range(count)]

    def run(
        self,
        kernel: str,
        grid: Sequence[int],
        block: Sequence[int],
        *params: object,
        shared: int = 0,
        cooperative: bool = False,
        cluster: Sequence[int] = (1, 1, 1),
    ) -> int:
        """Runs a kernel; buffers and ints are 64-bit parameters, (code, value) pairs are packed as said. Returns the fault kind."""
        if error := self.prepare(kernel):
            raise AssertionError(f"{kernel}: load error {error}: {self.message}")
        packed = pack(params)
        sizes = [(ctypes.c_uint32 * 3)(*[*extent, 1, 1][:3]) for extent in (grid, block, cluster)]
        self.library.exec_set_cluster(self.session, sizes[2])
        return int(self.library.exec_run(self.session, kernel.encode(), sizes[0], sizes[1], shared, packed, int(cooperative)))

    def global_buffer(self, name: str, size: int) -> Buffer:
        return Buffer(self.library.exec_global(self.session, name.encode()), size)

    @property
    def message(self) -> str:
        return str(self.library.exec_message(self.session).decode())

    @property
    def printed(self) -> str:
        return str(self.library.exec_printed(self.session).decode())


def pack(params: Sequence[object]) -> bytes:
    """Packs parameters with natural alignment."""
    data = b""
    for param in params:
        code, value = param if isinstance(param, tuple) else ("Q", param.address if isinstance(param, Buffer) else param)
        size = struct.calcsize(code)
        data += bytes(-len(data) % size) + struct.pack("<" + code, value)
    return data


def nvcc(source: str, directory: Path, arch: int = 90, *options: str) -> str:
    """PTX of a CUDA source."""
    (directory / "kernel.cu").write_text(source)
    command = [
        str(CUDA / "bin/nvcc"),
        "--ptx",
        f"-arch=compute_{arch}",
        f"-I{CUDA}/include/cccl",
        *options,
        "kernel.cu",
        "-o",
        "kernel.ptx",
    ]
    result = subprocess.run(command, check=False, cwd=directory, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    return (directory / "kernel.ptx").read_text()


def compiler_command() -> str:
    """What SIMGPU_COMPILER should be here."""
    return f"{sys.executable} -I -m native.ptx.service"
