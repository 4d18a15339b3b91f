"""A real dispatcher process, its control socket, and a native client of made-up calls."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bitfusion_core import hello
from bitfusion_core.hello import AnswerCode, ConnectionKind, Hello
from tools import shared_python

NATIVE = Path(os.environ.get("BITFUSION_BUILD", Path(__file__).resolve().parents[3] / "build")) / "tests"
DEADLINE_S = 20


@dataclass
class Dispatcher:
    """The process and how to talk to it."""

    process: subprocess.Popen[bytes]
    data: Path
    port: int
    control: Any
    events: list[dict[str, Any]] = field(default_factory=list)
    last_id: int = 0

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """A request of the manager and its answer."""
        number = self.send(op, **fields)
        answer = self.answer()
        assert answer["id"] == number
        return answer

    def send(self, op: str, **fields: Any) -> int:
        """A request of the manager that is not waited for."""
        self.last_id += 1
        self.control.write(json.dumps({"id": self.last_id, "op": op, **fields}).encode() + b"\n")
        self.control.flush()
        return self.last_id

    def answer(self) -> dict[str, Any]:
        """The next answer; events that come before it are kept."""
        while True:
            message: dict[str, Any] = json.loads(self.control.readline())
            if "id" in message:
                return message
            self.events.append(message)

    def event(self, name: str) -> dict[str, Any]:
        """The next event of a name."""
        while True:
            message = self.events.pop(0) if self.events else json.loads(self.control.readline())
            if message["event"] == name:
                return message

    def admit(self, **changes: Any) -> dict[str, Any]:
        """A new session."""
        session = {
            "session": str(uuid.uuid4()),
            "key": secrets.token_hex(32),
            "gpus": ["GPU-1"],
            "memory_bytes": 0,
            "tls": True,
            **changes,
        }
        assert self.call("admit", **session)["ok"]
        return session

    def connect(self) -> tuple[socket.socket, bytes]:
        """A connection that has read its nonce."""
        connection = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        return connection, hello.parse_nonce(receive(connection, hello.NONCE_SIZE))

    def greet(self, data: bytes) -> tuple[AnswerCode, str]:
        """Send a hello made for another connection; the verdict."""
        connection, _ = self.connect()
        with connection:
            connection.sendall(data)
            return hello.parse_answer(receive(connection, hello.ANSWER_SIZE))

    def greet_as(self, session: dict[str, Any], key: str | None = None, **changes: Any) -> tuple[AnswerCode, str]:
        """Send a hello of a session; the verdict."""
        fields: dict[str, Any] = {
            "session": uuid.UUID(session["session"]).bytes,
            "process": b"p" * 16,
            "kind": ConnectionKind.COMMAND,
            "spec_hash": bytes(32),
            "pid": 1,
            "tls": session["tls"],
            **changes,
        }
        connection, random = self.connect()
        with connection:
            connection.sendall(Hello(**fields).pack(bytes.fromhex(key or session["key"]), random))
            return hello.parse_answer(receive(connection, hello.ANSWER_SIZE))

    def allocation(self, session: dict[str, Any], path: Path) -> Path:
        """The allocation file of a session."""
        tls = "on" if session["tls"] else "off"
        path.write_text(f"version 1\nsession {session['session']}\nkey {session['key']}\naddress 127.0.0.1:{self.port}\ntls {tls}\n")
        return path


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, or what came before the end."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def built(name: str) -> Path:
    """A native helper of the tests."""
    path = NATIVE / name
    if not path.exists():
        pytest.fail(f"{path} is not built: ./dev build")
    return path


def started_in(group: Path, *command: str) -> list[str]:
    """A command line that enters a control group before it runs the command."""
    return ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(group), *command]


@pytest.fixture
def control_group() -> Path | None:
    """Where dispatchers are started; None: where the tests run."""
    return None


@pytest.fixture
def dispatcher(tmp_path: Path, request: pytest.FixtureRequest, control_group: Path | None) -> Iterator[Dispatcher]:
    """A dispatcher of its own, whose workers serve made-up calls. The parameter, if any: environment variables and options."""
    extra: dict[str, str] = getattr(request, "param", {})
    port = free_port()
    environment = {
        **os.environ,
        "BITFUSION_WORKER_LIBRARY": str(NATIVE / "libbitfusion_test_worker.so"),
        "BITFUSION_CUDA_LIBRARY": str(NATIVE / "libbitfusion_fake_driver.so"),
        **{name: value for name, value in extra.items() if not name.startswith("--")},
    }
    python = str((shared_python.find() if "--worker-uids" in extra else None) or sys.executable)
    command = [python, "-m", "tests.server.dispatcher.watched", "--data", str(tmp_path), "--listen", f"127.0.0.1:{port}"]
    command += [word for name, value in extra.items() if name.startswith("--") for word in (name, value)]
    if control_group is not None:
        command = started_in(control_group, *command)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr
        first = process.stderr.readline()
        assert b"dispatcher listening" in first, first
        with socket.socket(socket.AF_UNIX) as control, (tmp_path / "log").open("wb") as log:
            drain = subprocess.Popen(["/bin/cat"], stdin=process.stderr, stdout=log)
            control.settimeout(DEADLINE_S)
            control.connect(str(tmp_path / "run/dispatcher.sock"))
            running = Dispatcher(process, tmp_path, port, control.makefile("rwb"))
            running.call("subscribe")
            yield running
            process.terminate()
            process.wait(DEADLINE_S)
            drain.wait(DEADLINE_S)
