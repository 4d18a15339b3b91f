"""The server's packages: what is in them, and the life of an installed server."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo import wait_until
from tests.packaging.conftest import Built, Root, build
from tests.packaging.test_installation import COUNT

pytestmark = pytest.mark.slow
DATA = "var/lib/bitfusion/data"
PLACES = re.compile(
    r"/usr/(lib/bitfusion/(appliance|bin|core|native|ovf|server|simgpu|venv)/.+|lib/systemd/system/bitfusion-[a-z]+\.(service|slice)"
    r"|lib/(sysusers|tmpfiles)\.d/bitfusion\.conf|sbin/bitfusion-supportbundle\.sh|share/(doc/bitfusion-server|lintian/overrides)/[^/]+)"
)


def listed(package: Path) -> dict[str, str]:
    """Mode and path of everything in a .deb that is no folder."""
    text = subprocess.run(["dpkg-deb", "--contents", str(package)], check=True, capture_output=True, text=True).stdout
    rows = (line.split(maxsplit=5) for line in text.splitlines())
    return {row[5].split(" -> ")[0].removeprefix("."): row[0] for row in rows if not row[0].startswith("d")}


def test_places(server: Built, built: Built) -> None:
    """Its own places only, nothing that the client's package has, nothing others may write, no unit that sets up an appliance."""
    files, clients = listed(server.deb), listed(built.deb)

    assert [path for path in files if not PLACES.fullmatch(path)] == []
    assert files.keys() & clients.keys() == set()
    assert [path for path, mode in files.items() if mode[0] != "l" and "w" in mode[5:]] == []
    units = {Path(path).name for path in files if "/systemd/system/" in path}
    assert units == {"bitfusion-dispatcher.service", "bitfusion-manager.service", "bitfusion-workers.slice"}


def test_two_builds_are_the_same_bytes(server: Built, tmp_path: Path) -> None:
    """Built again, elsewhere, later."""
    again = build(tmp_path, name="server")

    assert (again.deb.read_bytes(), again.rpm.read_bytes()) == (server.deb.read_bytes(), server.rpm.read_bytes())


def free_port() -> str:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


class Server:
    """An installed server that runs in a root, with its client enabled for it."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.port = free_port()
        self._process = root.start("sh", root.give(Path(__file__).parent / "scenarios" / "start_server.sh"), self.port, free_port())
        wait_until((root.path / DATA / "admin.token").exists, 60, "the server starts")

    def enable_client(self) -> None:
        """With a token that the server's own command makes."""
        python = "/usr/lib/bitfusion/venv/bin/python"
        made = self.root.run(
            "setpriv", "--reuid", "bitfusion", "--regid", "bitfusion", "--clear-groups",
            python, "-I", "-m", "bitfusion_server.manager", "--data", f"/{DATA}", "--issue-token", "client", "--log-level", "error",
        )  # fmt: skip
        folder = self.root.path / "opt" / "token"
        folder.mkdir()
        (folder / "client.yaml").write_text(f"access_token: {made.stdout.split()[-1]}\n")
        (folder / "servers.conf").write_text(f"127.0.0.1:{self.port}\n")
        (folder / "ca.crt").write_bytes((self.root.path / DATA / "tls" / "ca.crt").read_bytes())
        self.root.run("bitfusion", "token", "install", "--system", "/opt/token")

    def answers(self) -> bool:
        """Whether its GPUs can be listed."""
        return self.root.run("bitfusion", "list_gpus", check=False).stdout.count("free memory 8192 MiB") == 2

    def stop(self) -> None:
        """End it as systemd does."""
        self._process.terminate()
        self._process.wait(30)


def test_life_of_a_server(make_root: Callable[[str], Root], built: Built, server: Built, next_release: Built, next_server: Built) -> None:
    """Install, serve an application in an unprivileged worker, upgrade with settings and store kept, remove, purge."""
    root = make_root("bookworm")
    root.run("dpkg", "-i", root.give(built.deb), root.give(server.deb))
    root.run("getent", "passwd", "bitfusion")
    assert (root.path / "etc/systemd/system/bitfusion.service").is_symlink()
    root.run("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/bitfusion-workers.slice")

    running = Server(root)
    try:
        running.enable_client()
        wait_until(running.answers, 30, "the server answers")
        assert root.run("bitfusion", "run", "-n", "2", "--", "python3", "-c", COUNT).stdout == "GPUs: 2\n"
        # A command that belongs on a server is handed over, and finds its modules.
        assert "Error" not in root.run("bitfusion", "user", "--help").stdout
    finally:
        running.stop()

    settings = root.path / "etc/bitfusion/bitfusion-manager.yaml"
    settings.write_text(settings.read_text() + "# mine\n")
    root.run("dpkg", "-i", root.give(next_release.deb), root.give(next_server.deb))
    assert settings.read_text().endswith("# mine\n")
    again = Server(root)
    try:
        wait_until(lambda: str(again.port) != running.port and (root.path / DATA / "store.db").exists(), 30, "the store is there")
        again_list = ("bitfusion", "list_gpus", "-l", f"127.0.0.1:{again.port}")
        wait_until(lambda: "free memory" in root.run(*again_list, check=False).stdout, 30, "the token is still good")
    finally:
        again.stop()

    root.run("dpkg", "--remove", "bitfusion-server")
    assert not (root.path / "usr/lib/bitfusion/venv").exists()
    assert not (root.path / "etc/systemd/system/bitfusion.service").is_symlink()
    assert settings.exists()
    assert root.run("bitfusion", "version").returncode == 0
    root.run("dpkg", "--purge", "bitfusion-server")
    assert not settings.exists()
    assert not (root.path / "var/lib/bitfusion").exists()


def test_modules_and_libraries_load(make_root: Callable[[str], Root], built: Built, server: Built) -> None:
    """Every library of the private environment loads in the distribution it is for."""
    root = make_root("bookworm")
    root.run("dpkg", "-i", root.give(built.deb), root.give(server.deb))
    modules = "aiohttp, msgspec._core, cffi, cryptography.x509, yaml._yaml, prometheus_client, pyVmomi, llvmlite.binding, structlog, pynvml"

    root.run("/usr/lib/bitfusion/venv/bin/python", "-I", "-c", f"import {modules}; llvmlite.binding.initialize_native_target()")
