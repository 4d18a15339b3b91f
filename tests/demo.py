"""A running demo server as a test sees it: run its command line, ask its API, wait for what must become true."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.server import DemoServer, Handle

RUN_S = 120.0


class Demo:
    """One demo server and its client."""

    def __init__(self, server: DemoServer, handle: Handle) -> None:
        self.server = server
        self.handle = handle
        # Of this server's tests alone, and gone with the server.
        self.allocations = Path(handle.home).parent / "allocations"
        self.allocations.mkdir(exist_ok=True)

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment of the command line."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BITFUSION_", "SIMGPU_"))}
        ours = {"BITFUSION_HOME": self.handle.home, "BITFUSION_ALLOCATION_DIR": str(self.allocations)}
        return {**inherited, **ours, **extra}

    def bitfusion(self, *arguments: str, timeout: float = RUN_S, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            [self.handle.cli, *arguments],
            check=False,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command line in the background; the caller ends it."""
        return subprocess.Popen(
            [self.handle.cli, *arguments],
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def leases(self) -> list[dict[str, Any]]:
        """All leases, as the administrator sees them."""
        answer = self.get("/v1/leases")
        return list(answer["leases"] if isinstance(answer, dict) else answer)

    @property
    def dispatcher_port(self) -> int:
        """Where data connections go."""
        return int(self.get("/query")["dispatcher_port"])

    def get(self, path: str, token: str | None = None) -> Any:
        """What the API answers."""
        return json.loads(self._ask("GET", path, token=token))

    def post(self, path: str, body: Any) -> Any:
        """What the API answers the administrator."""
        answer = self._ask("POST", path, body)
        return json.loads(answer) if answer else None

    def lines(self, path: str, body: Any) -> list[dict[str, Any]]:
        """The stream that the API answers with, when it has ended."""
        return [json.loads(line) for line in self._ask("POST", path, body).splitlines()]

    def delete(self, path: str) -> None:
        """Ask the API to end something."""
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> bytes:
        headers = {"Authorization": token or self.handle.admin_token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.handle.url + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=self.handle.ca)
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return bytes(answer.read())


def wait_until(true: Callable[[], bool], within_s: float, what: str) -> float:
    """Wait for a condition, and say how long it took."""
    started = time.monotonic()
    while not true():
        if time.monotonic() - started > within_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - started
