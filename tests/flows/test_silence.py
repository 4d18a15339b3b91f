"""A network that falls silent: nobody says good-bye, and still the GPUs come back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cuda_builder import Builder
from tests.demo import Demo, wait_until
from tools.server import Gpus, temporary_server

SILENCE_S = 5
# The kernel's own timers, and the end of the worker.
MARGIN_S = 10
CLIENT_PATIENCE_S = 100
SERVER_ADDRESS, CLIENT_ADDRESS = "10.213.77.1", "10.213.77.2"

pytestmark = [pytest.mark.gpu, pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class Machine:
    """A client machine: a network namespace that one cable joins to the server's switch."""

    def __init__(self) -> None:
        self.name = f"bitfusion-{os.getpid()}"
        self._switch, self._cable = f"bfs{os.getpid()}", f"bfc{os.getpid()}"
        _ip("netns", "add", self.name)
        _ip("link", "add", self._switch, "type", "bridge")
        _ip("address", "add", f"{SERVER_ADDRESS}/24", "dev", self._switch)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self._cable, "master", self._switch)
        for device in (self._switch, self._cable):
            _ip("link", "set", device, "up")
        for words in (
            ("address", "add", f"{CLIENT_ADDRESS}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", self.name, *words)

    def start(self, demo: Demo, *arguments: str) -> subprocess.Popen[str]:
        """Run the command line there."""
        command = ["ip", "netns", "exec", self.name, demo.handle.cli, *arguments]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=demo.environment(), text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def cut(self) -> None:
        """Pull the cable: neither side hears of it."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def power_off(self) -> None:
        """Its processes are gone at once, and nothing of theirs gets out."""
        self.cut()
        pids = subprocess.run(["ip", "netns", "pids", self.name], check=False, capture_output=True, text=True).stdout.split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _ip("netns", "delete", self.name)

    def remove(self) -> None:
        """Leave nothing of it."""
        if Path("/run/netns", self.name).exists():
            self.power_off()
        # The kernel takes the namespace down, and the cable with it, only when the last unsent bytes have been given up.
        subprocess.run(["ip", "link", "delete", self._cable], check=False, stderr=subprocess.DEVNULL)
        _ip("link", "delete", self._switch)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A client machine of its own."""
    made = Machine()
    yield made
    made.remove()


@pytest.fixture
def server(machine: Machine) -> Iterator[Demo]:
    """A server at the other end of its cable, which gives up after a short silence."""
    with temporary_server(Gpus(), {"BITFUSION_LEASE_SILENCE_S": str(SILENCE_S)}, "silence", SERVER_ADDRESS) as (running, handle):
        yield Demo(running, handle)


def _holder(machine: Machine, server: Demo, program: Builder) -> tuple[subprocess.Popen[str], int]:
    process = machine.start(server, "run", "-n", "2", "--", str(program("hold")), "forever")
    assert process.stdout is not None
    status, pid = process.stdout.readline().split()
    assert status == "cudaSuccess"
    assert server.leases()
    return process, int(pid)


def test_cut_cable(program: Builder, machine: Machine, server: Demo) -> None:
    """The server ends the lease after its grace; the client, after its own, takes its application down and says why."""
    launcher, application = _holder(machine, server, program)
    machine.cut()

    took = wait_until(lambda: not server.leases(), SILENCE_S + MARGIN_S, "the lease has ended")
    assert took > SILENCE_S - 2, "a short break must not cost anybody the GPUs"
    done = server.bitfusion("run", "-n", "2", "--", "true")
    assert done.returncode == 0, done.stderr
    _, errors = launcher.communicate(timeout=CLIENT_PATIENCE_S)
    assert launcher.returncode != 0
    assert "no contact with the server for 60 s" in errors
    assert not Path(f"/proc/{application}").exists()


def test_machine_that_vanishes(program: Builder, machine: Machine, server: Demo) -> None:
    """A client machine that loses its power: its GPUs are free after the grace, and the next application has them."""
    launcher, _ = _holder(machine, server, program)
    machine.power_off()

    wait_until(lambda: not server.leases(), SILENCE_S + MARGIN_S, "the lease has ended")
    done = server.bitfusion("run", "-n", "2", "--", str(program("allocate")))
    assert done.returncode == 0, done.stderr
    launcher.communicate(timeout=CLIENT_PATIENCE_S)
