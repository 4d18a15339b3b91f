"""The life of an installed client in real distributions, against a server on loopback."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo import Demo, wait_until
from tests.packaging.conftest import Built, Root

pytestmark = pytest.mark.slow
SUITES = ("bullseye", "bookworm", "trixie")
# Asks the driver through our library, as an application does.
COUNT = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
count = ctypes.c_int()
assert cuda.cuInit(0) == 0
assert cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
print("GPUs:", count.value)
"""


def enable(root: Root, demo: Demo) -> None:
    """Give the client its token the way an administrator does."""
    home = Path(demo.handle.home)
    folder = root.path / "opt" / "token"
    folder.mkdir(exist_ok=True)
    for name in ("client.yaml", "servers.conf", "tls/ca.crt"):
        shutil.copyfile(home / name, folder / Path(name).name)
    root.run("bitfusion", "token", "install", "--system", "/opt/token")


@pytest.mark.parametrize("suite", SUITES)
def test_life_of_a_client(make_root: Callable[[str], Root], suite: str, built: Built, next_release: Built, demo: Demo) -> None:
    """Install, use, refuse strangers, upgrade under a running application, remove, purge: each leaves what it should."""
    root = make_root(suite)
    root.run("dpkg", "-i", root.give(built.deb))
    assert root.run("bitfusion", "--version").stdout.startswith("Bitfusion version: ")
    assert list((root.path / "usr/lib/bitfusion/python").rglob("*.pyc"))

    enable(root, demo)
    used = root.run("bitfusion", "run", "-n", "2", "--", "python3", "-c", COUNT)
    assert used.stdout == "GPUs: 2\n"

    root.scenario("members_only")
    root.scenario("poor_homes")
    _upgrade(root, next_release)

    root.run("dpkg", "--remove", "bitfusion-client")
    assert not (root.path / "usr/bin/bitfusion").exists()
    assert not (root.path / "usr/lib/bitfusion").exists()
    assert (root.path / "etc/bitfusion/servers.conf").exists()
    root.run("dpkg", "--purge", "bitfusion-client")
    assert not (root.path / "etc/bitfusion").exists()
    assert not (root.path / "etc/security/limits.d/bitfusion-limits.conf").exists()
    left = subprocess.run(
        ["find", str(root.path), "-xdev", "-iname", "*bitfusion*"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert [path for path in left if not path.startswith((f"{root.path}/opt", f"{root.path}/tmp"))] == []
    root.run("getent", "group", "bitfusion")


def _upgrade(root: Root, package: Built) -> None:
    """The administrator's changes stay, and an application that runs meanwhile ends as if nothing had been."""
    limits = root.path / "etc/security/limits.d/bitfusion-limits.conf"
    limits.write_text("@bitfusion soft nofile 5000\n")
    fifo = root.path / "opt" / "go"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    running = root.start("bitfusion", "run", "-n", "1", "--", "sh", "-c", "touch /opt/started; read word </opt/go; exit 7")
    wait_until((root.path / "opt" / "started").exists, 60, "the application starts")

    root.run("dpkg", "-i", root.give(package.deb))
    fifo.write_text("go\n")

    assert running.wait(60) == 7
    assert limits.read_text() == "@bitfusion soft nofile 5000\n"
    assert (root.path / "etc/bitfusion/client.yaml").exists()
    assert root.run("bitfusion", "list_gpus").returncode == 0


def test_rpm(make_root: Callable[[str], Root], built: Built, next_release: Built, demo: Demo) -> None:
    """The .rpm by rpm itself: install, use, upgrade, erase."""
    root = make_root("bookworm")
    root.run("rpm", "-i", "--nodeps", root.give(built.rpm))
    enable(root, demo)
    assert root.run("bitfusion", "run", "-n", "1", "--", "python3", "-c", COUNT).stdout == "GPUs: 1\n"

    root.run("rpm", "-U", "--nodeps", root.give(next_release.rpm))
    assert list((root.path / "usr/lib/bitfusion/python").rglob("*.pyc"))
    assert root.run("bitfusion", "list_gpus").returncode == 0

    root.run("rpm", "-e", "bitfusion-client")
    assert not (root.path / "usr/lib/bitfusion").exists()
    assert not (root.path / "usr/bin/bitfusion").exists()
    assert (root.path / "etc/bitfusion/client.yaml").exists()


@pytest.mark.parametrize("name", ["client", "server"])
def test_checkers_of_packages(make_root: Callable[[str], Root], request: pytest.FixtureRequest, name: str) -> None:
    """lintian and rpmlint find nothing that is not explained in an override."""
    package: Built = request.getfixturevalue({"client": "built"}.get(name, name))
    root = make_root("bookworm")
    found = root.run("lintian", "--fail-on", "error,warning", root.give(package.deb), check=False)
    assert found.returncode == 0, found.stdout
    folder = {"client": "client_pkg", "server": "server"}[name]
    settings = root.give(Path(__file__).resolve().parents[2] / folder / "packaging" / "rpmlint.toml")
    checked = root.run("rpmlint", "--config", settings, root.give(package.rpm), check=False)
    assert "0 errors, 0 warnings" in checked.stdout, checked.stdout
