"""The command line and the real manager together; GPUs and dispatcher are fakes."""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from bitfusion_core.settings import Settings
from bitfusion_server.app import Manager
from bitfusion_server.auth import tokens
from bitfusion_server.data_directory import DataDirectory
from bitfusion_server.store.base import Role
from tests.client.conftest import Cli, eventually
from tests.client.test_launcher import first_line
from tests.server.fakes import FakeDispatcher
from tests.server.test_manager import OpenableFakeGpus


class Server:
    """A manager with two 16000 MiB GPUs, in a thread."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = 0
        self.token = ""
        self.dispatcher = FakeDispatcher(data / "run" / "dispatcher.sock")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def start(self) -> None:
        """Start, after a stop on the same port."""
        self._do(self._start())

    def stop(self) -> None:
        """Stop the manager; the dispatcher stays."""
        self._do(self._manager.stop())

    def close(self) -> None:
        """End all."""
        self.stop()
        self._do(self.dispatcher.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def leases(self) -> int:
        """Sessions the dispatcher knows."""
        return len(self.dispatcher.sessions)

    def _do(self, coroutine: object) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)  # type: ignore[arg-type]

    async def _start(self) -> None:
        if not self.port:
            (self.data / "run").mkdir(parents=True)
            await self.dispatcher.start()
        settings = {"manager.listen": f"127.0.0.1:{self.port}", "dispatcher.managed": False}
        self._manager = Manager(DataDirectory(self.data), Settings(settings), OpenableFakeGpus(16000, 16000))
        await self._manager.start()
        self.port = self._manager.port
        self.token = self.token or (await tokens.issue(self._manager.store, Role.CLIENT, "", time.time(), None)).text


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server."""
    running = Server(tmp_path / "data")
    running.start()
    yield running
    running.close()


@pytest.fixture
def real(tmp_path: Path, server: Server) -> Cli:
    """A client that has just been enabled: no id yet."""
    home = tmp_path / "real-home"
    (home / "tls").mkdir(parents=True)
    (home / "tls" / "ca.crt").write_bytes((server.data / "tls" / "ca.crt").read_bytes())
    (home / "servers.conf").write_text(f"127.0.0.1:{server.port}\n")
    (home / "client.yaml").write_text(f"access_token: {server.token}\n")
    return Cli(tmp_path, home)


def test_run(real: Cli, server: Server) -> None:
    """An id is claimed, GPUs are leased while the application runs, and free again after it."""
    process = real.start("run", "-n", "2", "-p", "0.5", "--", "sh", "-c", "echo up; read x; exit 3", stdin=-1)
    assert first_line(process) == "up"
    assert server.leases == 1
    listed = real.run("list_gpus").stdout
    _, errors = process.communicate("go\n", timeout=20)

    assert listed.startswith(f"- server 0 [127.0.0.1:{server.port}]: running 1 tasks\n|- GPU 0: free memory 8000 MiB / 16000 MiB\n")
    assert "Requesting GPUs [0 1] with 8000 MiB of memory from server 0" in errors
    assert "Locked 2 GPUs with partial memory 0.5" in errors
    assert process.returncode == 3
    assert server.leases == 0
    assert "client_id: " in (real.home / "client.yaml").read_text()


def test_wait_and_time_out(real: Cli, server: Server) -> None:
    """A third half waits and starts when one ends; -t gives up with 124; what can never fit is told at once."""
    halves = [real.start("run", "-n", "2", "-p", "0.5", "--", "sh", "-c", "echo up; read x", stdin=-1) for _ in range(2)]
    assert [first_line(half) for half in halves] == ["up", "up"]

    assert real.run("run", "-n", "1", "-p", "0.5", "-t", "1s", "--", "true").returncode == 124
    assert real.run("run", "-n", "3", "--", "true").returncode == 125
    third = real.start("run", "-n", "1", "-p", "0.5", "--", "true")
    halves[0].communicate("go\n", timeout=20)
    third.communicate(timeout=20)
    assert third.returncode == 0
    halves[1].communicate("go\n", timeout=20)
    assert server.leases == 0


def test_kill(real: Cli, server: Server) -> None:
    """kill -9 of `bitfusion run`: the GPUs are free within 3 s."""
    process = real.start("run", "-n", "1", "--", "sh", "-c", "echo $$; exec sleep 60")
    pid = int(first_line(process))

    process.send_signal(signal.SIGKILL)

    eventually(lambda: server.leases == 0, "the end of the lease", within_s=3)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the application's end", within_s=3)
    process.communicate(timeout=5)


def test_manager_restart(real: Cli, server: Server) -> None:
    """A restart of the manager does not disturb the application, and the lease is released at its end."""
    process = real.start("run", "-n", "1", "--", "sh", "-c", "echo $$; read x; exit 4", stdin=-1)
    pid = int(first_line(process))

    server.stop()
    server.start()
    os.kill(pid, 0)
    process.communicate("go\n", timeout=20)

    assert process.returncode == 4
    eventually(lambda: server.leases == 0, "the release")


def test_reserve(real: Cli, server: Server) -> None:
    """A reservation lives without a connection, until it is released."""
    assert real.run("request_gpus", "-n", "1", "-m", "1024").returncode == 0
    assert server.leases == 1
    assert real.run("client", "--", "sh", "-c", "exit 9").returncode == 9
    assert real.run("release_gpus").returncode == 0
    assert server.leases == 0


def test_smi(real: Cli) -> None:
    """The table has a row for each GPU, also for one without sensors."""
    result = real.run("smi")

    assert result.stdout.count("Simulated A2") == 2
    assert {len(line) for line in result.stdout.splitlines()} == {90}


def test_expired_server_certificate(real: Cli, server: Server) -> None:
    """A certificate that an administrator installed and forgot: the client says what, why and what to do, and 125 is `run`'s own failure."""
    server.stop()
    authority = trustme.CA()
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = authority.issue_cert("127.0.0.1", not_before=past - datetime.timedelta(days=1), not_after=past)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(server.data / "tls" / "installed.pem"))
    authority.cert_pem.write_to_path(str(real.home / "tls" / "ca.crt"))
    server.start()

    listed, run = real.run("list_gpus"), real.run("run", "-n", "1", "--", "true")

    for result, code in ((listed, 12), (run, 125)):
        assert f"https://127.0.0.1:{server.port}" in result.stderr
        assert "x509: certificate has expired or is not yet valid" in result.stderr
        assert "Compare the clocks" in result.stderr
        assert result.returncode == code
    assert server.leases == 0


def test_wrong_token(real: Cli) -> None:
    """A wrong token is refused as such."""
    (real.home / "client.yaml").write_text("access_token: wrong\n")

    assert real.run("list_gpus").returncode == 11
