"""Packages as they are built, and minimal systems to install them in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import packages
from tools.layout import BUILD

# Kept between runs: making one takes half a minute and the network.
ROOTS = Path(os.environ.get("BITFUSION_TEST_ROOTS") or BUILD / "roots")
MORE = {"bookworm": "rpm,lintian,rpmlint,dnf,createrepo-c,systemd"}
SCENARIOS = Path(__file__).parent / "scenarios"
LIBRARY = Path(__file__).resolve().parents[1] / "flows" / "scenarios" / "lib.sh"
COMMAND_S = 300


@dataclass(frozen=True)
class Built:
    """One package of one release, in its two kinds."""

    deb: Path
    rpm: Path


def build(folder: Path, release: int = 1, name: str = "client") -> Built:
    """`./dev packages NAME` into this folder."""
    packages.build_packages(release, folder, (name,))
    return Built(next(folder.glob(f"bitfusion-{name}_*.deb")), next(folder.glob(f"bitfusion-{name}-*.rpm")))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The client's packages of this checkout."""
    return build(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="session")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The client's packages to upgrade to."""
    return build(tmp_path_factory.mktemp("upgrade"), 2)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The server's packages of this checkout."""
    return build(tmp_path_factory.mktemp("server"), name="server")


@pytest.fixture(scope="session")
def next_server(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The server's packages to upgrade to."""
    return build(tmp_path_factory.mktemp("server-upgrade"), 2, "server")


class Root:
    """A distribution in a folder; commands run in it by chroot, on the machine's own network."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self, *command: str, user: str | None = None, groups: str = "", check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; by default as root and successfully."""
        identity = [f"--userspec={user}:{user}", f"--groups={groups}"] if user else []
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": f"/home/{user}" if user else "/root", "LC_ALL": "C", **variables}
        done = subprocess.run(
            ["chroot", *identity, str(self.path), *command],
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start in the background, as root and unheard."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", **variables}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(["chroot", str(self.path), *command], env=environment, text=True, **quiet)  # type: ignore[call-overload, no-any-return]

    def scenario(self, name: str) -> None:
        """Run one of the shell scripts of `scenarios` in it, as root; each of its expectations is printed."""
        self.give(LIBRARY)
        done = self.run("sh", self.give(SCENARIOS / f"{name}.sh"), check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def give(self, file: Path) -> str:
        """Put a file into the root; its path there."""
        shutil.copyfile(file, self.path / "opt" / file.name)
        return f"/opt/{file.name}"


@pytest.fixture
def make_root(tmp_path: Path) -> Iterator[object]:
    """Makes a fresh copy of a Debian release, with the kernel's file systems as far as programs need them."""
    mounted: list[Path] = []

    def make(suite: str) -> Root:
        if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
            pytest.fail("installation tests need root and mmdebstrap: sudo apt-get install mmdebstrap")
        root = tmp_path / suite
        subprocess.run(["cp", "-a", "--reflink=auto", str(_template(suite)), str(root)], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
        mounted.append(root / "proc")
        for device in ("null", "zero", "urandom", "random", "tty"):
            (root / "dev" / device).touch()
            subprocess.run(["mount", "--bind", f"/dev/{device}", str(root / "dev" / device)], check=True)
            mounted.append(root / "dev" / device)
        return Root(root)

    yield make
    for path in reversed(mounted):
        subprocess.run(["umount", str(path)], check=True)


def _template(suite: str) -> Path:
    """The release as it is unpacked, made once."""
    template = ROOTS / suite
    if not template.exists():
        ROOTS.mkdir(parents=True, exist_ok=True)
        partial = ROOTS / f"{suite}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        more = f",{MORE[suite]}" if suite in MORE else ""
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include=python3,passwd{more}", suite, str(partial)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        partial.rename(template)
    return template
