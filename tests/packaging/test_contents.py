"""What is in the client's packages, and that they are always the same."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.packaging.conftest import Built, build

# Needs dpkg-deb and binutils, and the libraries built.
pytestmark = pytest.mark.slow
LIMITS = """\
@bitfusion soft nofile 100000
@bitfusion hard nofile 100000
@bitfusion soft memlock unlimited
@bitfusion hard memlock unlimited
@bitfusion soft rss unlimited
@bitfusion hard rss unlimited
"""
OLDEST_GLIBC = (2, 17)


@pytest.fixture(scope="session")
def files(built: Built) -> dict[str, tarfile.TarInfo]:
    """The files of the .deb by path."""
    return {member.name.removeprefix("."): member for member in _archive(built.deb)}


def _archive(deb: Path) -> tarfile.TarFile:
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], check=True, capture_output=True).stdout
    return tarfile.open(fileobj=io.BytesIO(data))


def read(built: Built, path: str) -> bytes:
    """A file of the .deb."""
    content = _archive(built.deb).extractfile(f".{path}")
    assert content is not None
    return content.read()


def test_two_builds_are_the_same_bytes(built: Built, tmp_path: Path) -> None:
    """Built again, elsewhere, later."""
    again = build(tmp_path)

    assert (again.deb.read_bytes(), again.rpm.read_bytes()) == (built.deb.read_bytes(), built.rpm.read_bytes())


def test_limits_as_in_the_guide(built: Built) -> None:
    """Byte for byte."""
    assert read(built, "/etc/security/limits.d/bitfusion-limits.conf").decode() == LIMITS


def test_places(files: dict[str, tarfile.TarInfo]) -> None:
    """Nothing but the command, its private folder, its own configuration, documentation and completion."""
    allowed = re.compile(
        r"/(usr/bin/bitfusion|usr/lib/bitfusion/(bin|lib|python)/.+|etc/bitfusion/?|etc/security/limits\.d/bitfusion-limits\.conf"
        r"|usr/share/(man/man1|doc/bitfusion-client|lintian/overrides|bash-completion/completions|zsh/vendor-completions"
        r"|fish/vendor_completions\.d)/[^/]+)"
    )

    assert [path for path, member in files.items() if not member.isdir() and not allowed.fullmatch(path)] == []
    assert {path: oct(member.mode) for path, member in files.items() if member.mode & 0o022 and not member.issym()} == {}
    assert files["/usr/lib/bitfusion/lib/libnvidia-ml.so.1"].linkname == "libcuda.so.1"


def test_manual_page_for_every_command(files: dict[str, tarfile.TarInfo]) -> None:
    """Each command of the help screen has one."""
    from bitfusion_client.catalogue import ROWS

    wanted = {f"/usr/share/man/man1/bitfusion-{row.name}.1.gz" for row in ROWS} | {"/usr/share/man/man1/bitfusion.1.gz"}
    assert {path for path in files if path.startswith("/usr/share/man/man1/") and path.endswith(".gz")} == wanted


def test_library_runs_on_old_systems(built: Built, tmp_path: Path) -> None:
    """No symbol of a newer glibc is needed, and no library but those of glibc; it is stripped."""
    library = tmp_path / "libcuda.so.1"
    library.write_bytes(read(built, "/usr/lib/bitfusion/lib/libcuda.so.1"))

    shown = subprocess.run(["readelf", "--wide", "-V", "-d", "-S", str(library)], check=True, capture_output=True, text=True).stdout

    versions = {tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([\d.]+)", shown)}
    assert max(versions) <= OLDEST_GLIBC
    assert set(re.findall(r"Shared library: \[(\S+?)\.so", shown)) <= {"libc", "libdl", "libpthread", "libm", "librt", "ld-linux-x86-64"}
    assert ".debug_info" not in shown


def test_rpm_has_the_same_files(built: Built, files: dict[str, tarfile.TarInfo]) -> None:
    """The .rpm carries what the .deb does, but for the places in which distributions differ."""
    data = built.rpm.read_bytes()

    assert data.startswith(b"\xed\xab\xee\xdb")
    for name in ("bitfusion-limits.conf", "libnvidia-ml.so.1", "bitfusion-run.1.gz"):
        assert name.encode() in data
