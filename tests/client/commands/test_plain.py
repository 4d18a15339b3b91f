"""Commands with nothing to do, those that belong on a server, and `local`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bitfusion_client import handover
from bitfusion_client.catalogue import BY_NAME, ROWS
from bitfusion_client.errors import NotRoot
from tests.client.conftest import Cli

ON_SERVER = [row.name for row in ROWS if row.server]


@pytest.mark.parametrize("name", ["license", "dealloc", "crashreport"])
def test_nothing_to_do(cli: Cli, name: str) -> None:
    """They say so and succeed."""
    result = cli.run(name)

    assert (result.returncode, result.stderr) == (0, "")
    assert "nothing to do" in result.stdout


@pytest.fixture
def lonely(cli: Cli, tmp_path: Path) -> Cli:
    """A client without the server package: a copy of the packages, which is no source checkout."""
    from tests.client.conftest import REPOSITORY

    for folder in ("client_pkg/bitfusion_client", "core/bitfusion_core"):
        target = tmp_path / "installed" / folder
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", str(REPOSITORY / folder), str(target)], check=True)
    cli.program = (cli.program[0], "-I", str(tmp_path / "installed/client_pkg/bitfusion_client/__main__.py"))
    return cli


@pytest.mark.parametrize(
    "name,code,number", [("register", "no_vcenter", 16), ("removenode", "no_cluster", 17), ("user", "not_a_server", 15)]
)
def test_commands_of_a_server(lonely: Cli, name: str, code: str, number: int) -> None:
    """Without the server package each says what is missing and has its own exit code; help works all the same."""
    result = lonely.run(name, "--some", "thing")

    assert (result.returncode, result.stdout) == (number, "")
    assert result.stderr.startswith(f"Error: 'bitfusion {name}': the server package is not installed")
    assert result.stderr.endswith(f"({code}, exit code {number})\n")
    assert lonely.run("help", name).stdout == lonely.run(name, "--help").stdout


def test_what_is_missing_for_each() -> None:
    """vCenter, a cluster, or just a server."""
    missing = {name: handover.absent(name).code for name in ON_SERVER}

    assert {code: [name for name in missing if missing[name] == code] for code in ("no_vcenter", "no_cluster")} == {
        "no_vcenter": ["register", "unregister"],
        "no_cluster": ["removenode"],
    }
    assert set(missing.values()) == {"no_vcenter", "no_cluster", "not_a_server"}


def test_handed_over_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's program gets the command's name and every argument, and its exit code is ours."""
    program = tmp_path / "bitfusion-server"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 5\n')
    program.chmod(0o755)
    monkeypatch.setattr(handover, "program", lambda: program)

    pid = os.fork()
    if pid == 0:
        descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(descriptor, 1)
        handover.run("user", ("add", "--role", "a b"))
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 5
    assert (tmp_path / "out").read_text() == "user|add|--role|a b|"


def test_root_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """tls-certs and dealloc are refused for anybody else."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert [name for name, row in BY_NAME.items() if row.root and name == row.name] == ["tls-certs", "dealloc"]
    with pytest.raises(NotRoot, match="dealloc"):
        handover.require_root("dealloc")


def test_local_uses_the_own_driver(cli: Cli) -> None:
    """`local` takes our library off the path, leaves the rest, and runs the application."""
    driver = cli.folder / "driver"
    driver.mkdir()
    (driver / "libcuda.so.1").touch()
    path = f"{cli.libraries}:{driver}"
    variables = {**cli.environment, "LD_LIBRARY_PATH": path, "BITFUSION_ALLOCATION": "/tmp/bitfusion1"}

    result = cli.run("local", "--", "sh", "-c", "echo $LD_LIBRARY_PATH $BITFUSION_ALLOCATION; exit 3", env=variables)

    assert (result.stdout, result.returncode) == (f"{driver}\n", 3)


def test_local_without_a_driver(cli: Cli) -> None:
    """Without a driver it is an error of ours, not the application's."""
    result = cli.run("local", "true")

    assert result.returncode == 125
    assert "no NVIDIA driver" in result.stderr
