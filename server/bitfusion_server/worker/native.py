"""The native worker library, loaded through cffi in ABI mode from the declarations of its own header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cffi

_REASON_SIZE = 1024
_NAME = "libbitfusion_worker.so"
_REPOSITORY = Path(__file__).resolve().parents[3]
_PLACES = (Path(__file__).parent, Path("/usr/lib/bitfusion/server"), _REPOSITORY / "build/lib/server")

# The part of native/src/worker/worker.h that cffi reads; a test compares the two.
DECLARATIONS = """
typedef struct bitfusion_worker bitfusion_worker;

typedef struct {
  const char* session;
  const uint8_t* key;
  const char* cuda_library;
  const char* cache;
  const char* budget;
  uint64_t memory_bytes;
  const char* const* gpus;
  uint32_t gpu_count;
  int tls;
} bitfusion_worker_config;

typedef struct {
  uint64_t bytes_in;
  uint64_t bytes_out;
  uint64_t calls;
  uint64_t memory_bytes[32];
} bitfusion_worker_stats;

bitfusion_worker* bitfusion_worker_create(const bitfusion_worker_config* config, char* error, size_t error_size);
int bitfusion_worker_attach(bitfusion_worker* worker, int fd, int bulk, char* error, size_t error_size);
void bitfusion_worker_run(bitfusion_worker* worker, char* reason, size_t reason_size);
void bitfusion_worker_stop(bitfusion_worker* worker, const char* reason);
void bitfusion_worker_get_stats(bitfusion_worker* worker, bitfusion_worker_stats* stats);
void bitfusion_worker_destroy(bitfusion_worker* worker);
void bitfusion_worker_get_spec_hash(uint8_t* hash);
"""


class WorkerError(RuntimeError):
    """The native worker refused; the message says why."""


def library_path() -> Path:
    """Where the library lies: BITFUSION_WORKER_LIBRARY, beside this package, installed, or built in this checkout."""
    if configured := os.environ.get("BITFUSION_WORKER_LIBRARY"):
        return Path(configured)
    for place in _PLACES:
        if (place / _NAME).exists():
            return place / _NAME
    raise WorkerError(f"{_NAME} is in none of {', '.join(map(str, _PLACES))}; build it or set BITFUSION_WORKER_LIBRARY")


class NativeWorker:
    """One session's executor. `run` blocks in its own thread; the other methods may be called from any."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._ffi = cffi.FFI()
        self._ffi.cdef(DECLARATIONS)
        try:
            self._library = self._ffi.dlopen(str(library_path()))
        except OSError as error:
            raise WorkerError(f"cannot load the native worker: {error}") from error
        self._gpu_count = len(start["gpus"])
        self._worker = self._create(start)

    def spec_hash(self) -> bytes:
        """Of the spec the library was generated from."""
        digest = self._ffi.new("uint8_t[32]")
        self._library.bitfusion_worker_get_spec_hash(digest)
        return bytes(self._ffi.buffer(digest))

    def attach(self, fd: int, bulk: bool) -> None:
        """Give it a connection; it takes the descriptor over. Blocks for the TLS handshake."""
        error = self._buffer()
        if self._library.bitfusion_worker_attach(self._worker, fd, int(bulk), error, _REASON_SIZE):
            raise WorkerError(self._text(error))

    def run(self) -> str:
        """Serve until the end of the session; the reason of the end."""
        reason = self._buffer()
        self._library.bitfusion_worker_run(self._worker, reason, _REASON_SIZE)
        return self._text(reason)

    def stop(self, reason: str) -> None:
        """End the session."""
        self._library.bitfusion_worker_stop(self._worker, reason.encode())

    def stats(self) -> dict[str, Any]:
        """Counters since the start, and the device memory held now."""
        stats = self._ffi.new("bitfusion_worker_stats*")
        self._library.bitfusion_worker_get_stats(self._worker, stats)
        memory = list(stats.memory_bytes[0 : self._gpu_count])
        return {"bytes_in": stats.bytes_in, "bytes_out": stats.bytes_out, "calls": stats.calls, "memory_bytes": memory}

    def _create(self, start: Mapping[str, Any]) -> Any:
        new = self._ffi.new
        gpus = [new("char[]", gpu.encode()) for gpu in start["gpus"]]
        texts = {name: new("char[]", str(start.get(name) or "").encode()) for name in ("session", "cuda_library", "cache", "budget")}
        key = new("uint8_t[]", bytes.fromhex(start["key"]))
        config = new("bitfusion_worker_config*")
        for name, text in texts.items():
            setattr(config, name, text)
        config.key, config.memory_bytes, config.tls = key, start["memory_bytes"], int(start["tls"])
        array = new("char*[]", gpus) if gpus else self._ffi.NULL
        config.gpus, config.gpu_count = array, len(gpus)
        error = self._buffer()
        worker = self._library.bitfusion_worker_create(config, error, _REASON_SIZE)
        if worker == self._ffi.NULL:
            raise WorkerError(self._text(error))
        return worker

    def _buffer(self) -> Any:
        return self._ffi.new("char[]", _REASON_SIZE)

    def _text(self, buffer: Any) -> str:
        text: bytes = self._ffi.string(buffer)
        return text.decode(errors="replace")
