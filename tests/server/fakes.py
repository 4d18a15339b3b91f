"""Stand-ins for the parts of a server that need hardware or other processes; they speak the real contracts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from bitfusion_core.models import Gpu, GpuReading, GpuReport


class FakeGpus:
    """GPUs without hardware."""

    driver_version = "580.65.06"
    cuda_version = "13.0"

    def __init__(self, *memories_mib: int) -> None:
        self.gpus = tuple(Gpu(i, f"GPU-{i}", "Simulated A2", f"0000:0{i}:00.0", mib) for i, mib in enumerate(memories_mib))

    async def read(self) -> GpuReport:
        """One GPU's sensors work, the others' do not."""
        readings = tuple(GpuReading(gpu, used_mib=5, temperature_c=40) if gpu.index == 0 else GpuReading(gpu) for gpu in self.gpus)
        return GpuReport(self.driver_version, self.cuda_version, readings)


class FakeDispatcher:
    """The dispatcher's control socket: remembers who is admitted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sessions: dict[str, dict[str, Any]] = {}
        self.revoked: list[tuple[str, str]] = []
        self.refuses: set[str] = set()
        self.refused = 0
        self.may_revoke = asyncio.Event()
        self.may_revoke.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """Close socket and connections, as a killed process does."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.close()
            await self._server.wait_closed()
            self.path.unlink(missing_ok=True)

    def emit(self, **event: Any) -> None:
        """Send an event to every manager."""
        self.send_raw(json.dumps(event).encode() + b"\n")

    def send_raw(self, data: bytes) -> None:
        """Send anything to every manager."""
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                request = json.loads(line)
                answer = await self._answer(request)
                writer.write(json.dumps({"id": request["id"], **answer}).encode() + b"\n")
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        op = request["op"]
        if op in self.refuses:
            self.refused += 1
            return {"ok": False, "error": "told to refuse"}
        if op == "admit":
            self.sessions[request["session"]] = request
        elif op == "revoke":
            await self.may_revoke.wait()
            self.sessions.pop(request["session"], None)
            self.revoked.append((request["session"], request["reason"]))
        elif op == "list":
            return {"ok": True, "sessions": [{"session": name, "gpus": s["gpus"], "workers": []} for name, s in self.sessions.items()]}
        return {"ok": True}
