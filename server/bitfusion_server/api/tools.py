"""Programs of this server that clients may run in their sessions, such as nvidia-smi: it belongs to the driver, which clients do not have."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from functools import lru_cache
from pathlib import Path

import msgspec
from aiohttp import web

from bitfusion_core.errors import NotFound
from bitfusion_server.api.routing import Call

PROGRAM = "application/octet-stream"
MAX_BYTES = 64 << 20
NAMES = ("nvidia-smi",)


class ToolShown(msgspec.Struct, frozen=True):
    """A program, by its hash: who has it need not fetch it."""

    name: str
    sha256: str
    size: int


async def show(call: Call) -> ToolShown:
    """What `content` would send."""
    data = await _read(call)
    return ToolShown(call.id, hashlib.sha256(data).hexdigest(), len(data))


async def content(call: Call) -> web.Response:
    """The program itself."""
    return web.Response(body=await _read(call), content_type=PROGRAM)


async def _read(call: Call) -> bytes:
    path = _path(call.id, call.services.settings.text("gpu.nvidia_smi"))
    status = path.stat()
    return await asyncio.to_thread(_bytes, str(path), status.st_mtime_ns, status.st_size)


def _path(name: str, configured: str) -> Path:
    found = (configured or shutil.which(name)) if name in NAMES else None
    if found is None or not os.access(found, os.R_OK) or Path(found).stat().st_size > MAX_BYTES:
        raise NotFound(f"this server has no {name}", hint="Use 'bitfusion smi', or install the driver's tools on the server.")
    return Path(found)


@lru_cache(maxsize=len(NAMES))
def _bytes(path: str, _mtime_ns: int, _size: int) -> bytes:
    """Read anew only when the file has changed, as after an update of the driver."""
    return Path(path).read_bytes()
