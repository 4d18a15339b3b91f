"""nvidia-smi, delivered by the server: the client needs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo import Demo
from tools import build
from tools.server import Gpus, temporary_server

PROGRAM = """#!/bin/sh
echo "nvidia-smi $*"
exit 3
"""


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server has as its nvidia-smi."""
    path = tmp_path_factory.mktemp("tool") / "nvidia-smi"
    path.write_text(PROGRAM)
    return path


@pytest.fixture(scope="module")
def server(tool: Path) -> Iterator[Demo]:
    """A server that delivers it."""
    build.write_command()
    with temporary_server(Gpus(), {"BITFUSION_GPU_NVIDIA_SMI": str(tool)}, name="tool") as (demo, handle):
        yield Demo(demo, handle)


def run(server: Demo, cache: Path, *command: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command under `bitfusion run`."""
    done = server.bitfusion("run", "-n", "1", "--", *command, BITFUSION_CACHE_STORE_CLIENT_ROOT=str(cache))
    return done.returncode, done.stdout, done.stderr


def test_program_of_the_server_runs_on_the_client(server: Demo, tmp_path: Path) -> None:
    """By its name alone, with its arguments and its exit code, directly and from a script; it is fetched once."""
    assert run(server, tmp_path, "nvidia-smi", "-q", "a b")[:2] == (3, "nvidia-smi -q a b\n")
    (kept,) = tmp_path.rglob("nvidia-smi")
    before = kept.stat()

    assert run(server, tmp_path, "sh", "-c", "nvidia-smi -L; echo $?")[:2] == (0, "nvidia-smi -L\n3\n")
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_new_driver_new_program(server: Demo, tool: Path, tmp_path: Path) -> None:
    """When the server's changes, clients get the new one."""
    run(server, tmp_path, "nvidia-smi")
    tool.write_text(PROGRAM.replace("exit 3", "exit 4 # newer"))

    assert run(server, tmp_path, "nvidia-smi")[0] == 4
    assert len(list(tmp_path.rglob("nvidia-smi"))) == 2
    tool.write_text(PROGRAM)


def test_old_programs_are_removed(server: Demo, tool: Path, tmp_path: Path) -> None:
    """Above the size that the user allows only the newest stays; what is not ours is left alone."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep")
    run(server, tmp_path, "nvidia-smi")
    tool.write_text(PROGRAM.replace("exit 3", "exit 5"))

    done = server.bitfusion(
        "run", "-n", "1", "--", "nvidia-smi",
        BITFUSION_CACHE_STORE_CLIENT_ROOT=str(tmp_path), BITFUSION_CACHE_STORE_CLIENT_CLEANUP_THRESHOLD_MB="0",
    )  # fmt: skip

    assert done.returncode == 5
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["file", "nvidia-smi"]
    tool.write_text(PROGRAM)


def test_server_without_it(server: Demo, tool: Path, tmp_path: Path) -> None:
    """The message says what to use instead, and the exit code is that of a command not found."""
    tool.rename(tool.with_suffix(".away"))
    try:
        code, _, errors = run(server, tmp_path, "nvidia-smi")
    finally:
        tool.with_suffix(".away").rename(tool)

    assert (code, "this server has no nvidia-smi" in errors, "bitfusion smi" in errors) == (127, True, True)


def test_folder_that_cannot_be_written(server: Demo, tmp_path: Path) -> None:
    """The message names the setting that chooses another."""
    (tmp_path / "file").write_text("")

    code, _, errors = run(server, tmp_path / "file", "nvidia-smi")

    assert (code, "cache_store.client_root" in errors) == (126, True)
