"""request_gpus, client and release_gpus."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.client.conftest import Cli
from tests.client.fake_manager import FakeManager


def saved(stderr: str) -> Path:
    """The allocation file that was announced."""
    found = re.search(r"configuration saved to '(/\S+/bitfusion\d+)'", stderr)
    assert found
    return Path(found[1])


def test_reservation_that_has_ended_meanwhile(cli: Cli, manager: FakeManager) -> None:
    """The server did not wait for the confirmation: the command fails, and no allocation file stays."""
    keep = "/v1/leases/02491a45-0000-4000-8000-000000000001/keep"
    manager.behaviour.raw[keep] = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    requested = cli.run("request_gpus", "-n", "1")
    assert requested.returncode == 12, requested.stderr
    assert not saved(requested.stderr).exists()
    assert manager.ended.get(timeout=5) == "deleted"


def test_reserve_use_release(cli: Cli, manager: FakeManager) -> None:
    """The guide's chain: request once, run twice, release; nothing is printed on standard output by us."""
    requested = cli.run("request_gpus", "-n", "1", "-m", "5461")
    file = saved(requested.stderr)
    assert f"\nRequested resources:\nServer List: {manager.address}\nClient idle timeout: 0 min\n" in requested.stderr
    assert (requested.stdout, requested.returncode) == ("", 0)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "memory_mib 5461" in file.read_text().splitlines()
    assert manager.requests[-1][:2] == ("POST", f"/v1/leases/{next(iter(manager.leases))}/keep")

    for _ in range(2):
        used = cli.run("client", "--", "sh", "-c", "echo $BITFUSION_ALLOCATION; exit 3")
        assert (used.stdout, used.stderr, used.returncode) == (f"{file}\n", "", 3)

    released = cli.run("release_gpus")
    assert f"Released GPUs on 1 servers and removed generated config file '{file}'" in released.stderr
    assert released.returncode == 0
    assert not file.exists()
    assert manager.ended.get(timeout=5) == "deleted"


def test_newest_or_named_allocation(cli: Cli) -> None:
    """Bare `client` takes the newest, -f and BITFUSION_ALLOCATION another; a `run` in between does not count."""
    older, newer = (saved(cli.run("request_gpus", "-n", "1").stderr) for _ in range(2))
    show = ("--", "sh", "-c", "echo $BITFUSION_ALLOCATION")

    assert cli.run("client", *show).stdout == f"{newer}\n"
    assert cli.run("client", "-f", str(older), *show).stdout == f"{older}\n"
    named = {**cli.environment, "BITFUSION_ALLOCATION": str(older)}
    assert cli.run("client", *show, env=named).stdout == f"{older}\n"
    inner = " ".join([cli.environment.get("PYTHON", "python3"), "-c", "pass"])
    assert cli.run("run", "-n", "1", "--", "sh", "-c", inner).returncode == 0
    assert cli.run("release_gpus").returncode == 0
    assert cli.run("release_gpus", "-f", str(older)).returncode == 0
    assert not newer.exists()
    assert not older.exists()


@pytest.mark.parametrize("way", ["-f", "BITFUSION_ALLOCATION"])
def test_relative_name_of_an_allocation(cli: Cli, way: str) -> None:
    """The application finds its allocation also after it has changed its directory."""
    file = saved(cli.run("request_gpus", "-n", "1").stderr)
    relative = os.path.relpath(file, cli.folder)
    environment = cli.environment if way == "-f" else {**cli.environment, way: relative}
    options = ("-f", relative) if way == "-f" else ()

    used = cli.run("client", *options, "--", "sh", "-c", 'cd /; cat "$BITFUSION_ALLOCATION"', cwd=cli.folder, env=environment)
    released = cli.run("release_gpus", "-f", str(file))

    assert used.stdout.startswith("version 1\n"), used.stderr
    assert released.returncode == 0, released.stderr


def test_release_options_choose(cli: Cli) -> None:
    """The options of the request choose among several reservations; others are refused with what there is."""
    half = saved(cli.run("request_gpus", "-n", "1", "-p", "0.5").stderr)
    two = saved(cli.run("request_gpus", "-n", "2", "-m", "1024").stderr)

    wrong = cli.run("release_gpus", "-n", "3")
    assert "no reservation matches these options" in wrong.stderr
    assert str(half) in wrong.stderr
    assert wrong.returncode == 2
    assert cli.run("release_gpus", "-n", "1", "-p", "0.5").returncode == 0
    assert (half.exists(), two.exists()) == (False, True)
    assert cli.run("release_gpus", "-m", "1024").returncode == 0


def test_export_for_other_tools(cli: Cli) -> None:
    """--export prints shell lines that make any process find the allocation."""
    requested = cli.run("request_gpus", "-n", "1", "--export")

    assert requested.stdout == f"export BITFUSION_ALLOCATION={saved(requested.stderr)}\n"
    cli.run("release_gpus", "-f", str(saved(requested.stderr)))


def test_release_after_the_server_has_ended_it(cli: Cli, manager: FakeManager) -> None:
    """A lease that is gone already is no failure: the file goes too."""
    file = saved(cli.run("request_gpus", "-n", "1").stderr)
    manager.leases.clear()

    released = cli.run("release_gpus")

    assert "had ended this allocation already" in released.stderr
    assert released.returncode == 0
    assert not file.exists()


@pytest.mark.parametrize("command", [("client", "true"), ("release_gpus",)])
def test_unusable_file(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    """A file that is no allocation is named in the error."""
    file = tmp_path / "file"
    file.write_text("version 9\n")

    result = cli.run(command[0], "-f", str(file), *command[1:])

    assert f"Error: {file} is not an allocation file: version 9 is not 1" in result.stderr
    assert result.returncode == (125 if command[0] == "client" else 2)


def test_waited_in_vain(cli: Cli, manager: FakeManager) -> None:
    """Commands that start no application have the exit code of the failure."""
    manager.behaviour.decision = {"event": "timeout"}

    assert cli.run("request_gpus", "-n", "1", "-t", "1").returncode == 10
