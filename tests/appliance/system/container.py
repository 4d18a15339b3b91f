"""Boots the appliance's system in a container: the real systemd, the real units, network adapters of our own; in seconds.

What changes goes into a layer above the image's directory, which stays as it is.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bitfusion_appliance.firstboot import transports
from tests.appliance.machine import MACS, environment

BOOT_S = 120.0
_POLL_S = 0.1
_numbers = itertools.count(1)


class Container:
    """One appliance. Its files outlive its boots."""

    def __init__(self, image: Path, folder: Path, adapters: int = 1) -> None:
        self.tree = folder / "tree"
        self.credentials: dict[str, str] = {}
        self._image = image
        self._folder = folder
        self._adapters = adapters
        self._name = f"bf{os.getpid() % 10000}-{next(_numbers)}"
        self._process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    @contextlib.contextmanager
    def prepared(self) -> Iterator[Container]:
        """Its file system and its adapters, until the end."""
        upper, work = self._folder / "upper", self._folder / "work"
        for path in (self.tree, upper, work):
            path.mkdir(parents=True)
        with contextlib.ExitStack() as undo:
            _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={self._image},upperdir={upper},workdir={work}", str(self.tree))
            undo.callback(_run, "umount", str(self.tree))
            self._connect(undo)
            undo.callback(self.power_off)
            yield self

    def host_side(self, number: int) -> str:
        """Our end of an adapter's cable."""
        return f"{self._name}h{number}"

    def form(self, filled_in: dict[str, str], macs: Sequence[str] | None = None) -> None:
        """What vCenter would hand over at the next power-on."""
        path = self.tree / transports.FILE[1:]
        path.write_text(environment(filled_in, MACS[: self._adapters] if macs is None else macs))
        path.chmod(0o600)

    def power_on(self) -> None:
        """Boot, and wait until the machine is set up and its service has been started."""
        self.begin()
        self.wait(lambda: self._find_leader() and self.run("systemctl", "is-system-running", check=False) not in {"", "offline"})
        # Ends when the last job of the boot has.
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def begin(self) -> None:
        """Boot."""
        for number in range(1, self._adapters + 1):
            # A real adapter forgets its settings when the power goes.
            _run("ip", "-n", self._name, "address", "flush", "dev", f"ens{number}")
            _run("ip", "-n", self._name, "link", "set", f"ens{number}", "down", "mtu", "1500")
        places = ("--register=no", "--keep-unit", f"--network-namespace-path=/run/netns/{self._name}", "--capability=CAP_NET_ADMIN")
        handed_over = [f"--set-credential={name}:{value}" for name, value in self.credentials.items()]
        with (self._folder / "console").open("ab") as console:
            self._process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "-D", self.tree, *places, *handed_over, "-b"], stdin=subprocess.DEVNULL, stdout=console
            )

    def cut_power(self) -> None:
        """At once, whatever runs."""
        assert self._process is not None
        if self._find_leader():
            # Its first process takes all others with it, which nspawn's death would leave running.
            os.kill(self.leader, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        self._process = None

    def power_off(self) -> None:
        """As the guest's shutdown, or at once when it does not end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
                self._process = None
            except subprocess.TimeoutExpired:
                self.cut_power()

    def run(self, *command: str, check: bool = True, stdin: str = "") -> str:
        """A command in the running machine."""
        entered = ["nsenter", "--target", str(self.leader), "--all", *command]
        done = subprocess.run(entered, check=False, input=stdin, capture_output=True, text=True, timeout=BOOT_S)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def status(self) -> dict[str, Any]:
        """How first boot went."""
        found: dict[str, Any] = json.loads(self.run("bitfusion-firstboot", "status", "--json", check=False))
        return found

    def addresses(self) -> dict[str, tuple[str, int]]:
        """Address and MTU of each adapter that is up."""
        rows = json.loads(self.run("ip", "-json", "-4", "address", "show", "scope", "global"))
        return {row["ifname"]: (f"{one['local']}/{one['prefixlen']}", row["mtu"]) for row in rows for one in row["addr_info"]}

    def _connect(self, undo: contextlib.ExitStack) -> None:
        _run("ip", "netns", "add", self._name)
        undo.callback(_run, "ip", "netns", "delete", self._name)
        for number in range(1, self._adapters + 1):
            ours, theirs = self.host_side(number), f"{self._name}g{number}"
            _run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "address", MACS[number - 1])
            _run("ip", "link", "set", ours, "up")
            _run("ip", "link", "set", theirs, "netns", self._name)
            _run("ip", "-n", self._name, "link", "set", theirs, "name", f"ens{number}")

    def _find_leader(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "console").read_text(errors="replace")[-2000:]
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self.leader = int(found[0]) if found else 0
        return bool(found)

    def wait(self, condition: Callable[[], object]) -> None:
        """Until this is so."""
        deadline = time.monotonic() + BOOT_S
        while not condition():
            assert time.monotonic() < deadline, (self._folder / "console").read_text(errors="replace")[-2000:]
            time.sleep(_POLL_S)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
