"""A dispatcher of its own with one admitted session: what a program needs to run remoted, without manager and command line."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.layout import LIB

MIB = 1 << 20


@dataclass
class Rig:
    """Starts programs natively on the server's driver or remoted through the product."""

    folder: Path
    port: int
    server_environment: dict[str, str]
    _control: socket.socket = field(repr=False)

    def admit(self, gpus: list[str], memory_mib: int = 0) -> Path:
        """A new session; returns its allocation file."""
        session, key = str(uuid.uuid4()), secrets.token_hex(32)
        request = {"session": session, "key": key, "gpus": gpus, "memory_bytes": memory_mib * MIB, "tls": True}
        self._control.sendall(json.dumps({"id": 1, "op": "admit", **request}).encode() + b"\n")
        answer = json.loads(self._control.makefile("r").readline())
        assert answer["ok"], answer
        path = self.folder / f"bitfusion{secrets.randbits(40)}"
        lines = {"version": 1, "session": session, "key": key, "address": f"127.0.0.1:{self.port}", "tls": "on", "gpus": len(gpus)}
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in {**lines, "memory_mib": memory_mib}.items()))
        return path

    def remoted(self, allocation: Path, **extra: str) -> dict[str, str]:
        """The environment of a program that runs on the session."""
        return {**os.environ, "LD_LIBRARY_PATH": str(LIB / "client"), "BITFUSION_ALLOCATION": str(allocation), **extra}

    def native(self) -> dict[str, str]:
        """The environment of a program that runs straight on the server's driver."""
        return self.server_environment


@contextmanager
def rig(folder: Path, server_environment: dict[str, str], cuda_library: Path) -> Iterator[Rig]:
    """Runs a dispatcher whose workers use `cuda_library`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **server_environment,
        "BITFUSION_CUDA_LIBRARY": str(cuda_library),
        "BITFUSION_WORKER_LIBRARY": str(LIB / "server" / "libbitfusion_worker.so"),
    }
    command = [sys.executable, "-m", "bitfusion_server.dispatcher", "--data", str(folder), "--listen", f"127.0.0.1:{port}"]
    (folder / "run").mkdir()
    with (folder / "dispatcher.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output = process.stdout
            assert output
            for line in output:
                log.write(line)
                if b"dispatcher listening" in line:
                    break
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(str(folder / "run" / "dispatcher.sock"))
                yield Rig(folder, port, server_environment, control)
        finally:
            process.terminate()
            rest, _ = process.communicate(timeout=20)
            log.write(rest)
