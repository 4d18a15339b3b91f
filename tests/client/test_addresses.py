"""A server with several addresses: the one that answers is used, and remembered in servers.conf."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitfusion_client import config
from bitfusion_client.config import Server
from tests.client.conftest import Cli
from tests.client.fake_manager import FakeManager

DEAD = "127.0.0.1:1"


def yaml(reachable: str, *addresses: str) -> str:
    """A servers.conf with one server."""
    return f"servers:\n- reachable: {reachable}\n  addresses:\n" + "".join(f"  - {address}\n" for address in addresses)


def test_another_address_is_tried_and_remembered(cli: Cli, manager: FakeManager) -> None:
    """The file is rewritten with a dated copy beside it; the next command begins with the address that answered."""
    path = cli.home / "servers.conf"
    before = yaml(DEAD, DEAD, manager.address)
    path.write_text(before)

    assert cli.run("list_gpus").returncode == 0

    assert path.read_text() == yaml(manager.address, DEAD, manager.address)
    (backup,) = cli.home.glob("servers.conf.*")
    assert backup.read_text() == before
    assert cli.run("list_gpus").returncode == 0
    assert len(list(cli.home.glob("servers.conf*"))) == 2


def test_the_whole_life_of_a_lease(cli: Cli, manager: FakeManager) -> None:
    """Claim, query, lease and release go to the address that answers, which is also what the allocation file says."""
    (cli.home / "servers.conf").write_text(yaml(DEAD, DEAD, manager.address))

    result = cli.run("run", "-n", "1", "--", "sh", "-c", "grep ^server $BITFUSION_ALLOCATION")

    assert (result.returncode, result.stdout) == (0, f"server {manager.address} {manager.behaviour.version}\n")
    assert manager.ended.get(timeout=5) in ("deleted", "disconnected")


def test_file_that_cannot_be_written(cli: Cli, manager: FakeManager) -> None:
    """It is tolerated."""
    (cli.folder / "fixed").write_text(yaml(DEAD, DEAD, manager.address))
    (cli.home / "servers.conf").unlink()
    (cli.home / "servers.conf").symlink_to("/proc/self/cwd/fixed")

    assert cli.run("list_gpus", cwd=cli.folder).returncode == 0


def test_no_address_answers(cli: Cli) -> None:
    """The message names the server once, by the address that is tried first."""
    (cli.home / "servers.conf").write_text(yaml(DEAD, DEAD, "127.0.0.1:2"))

    result = cli.run("list_gpus")

    assert result.returncode == 12
    assert f"Unable to contact any of the existing servers: {DEAD}\n" in result.stderr


@pytest.mark.parametrize("text", ["10.0.0.1\n", yaml("10.0.0.1:56001", "10.0.0.1:56001")])
def test_files_without_alternatives_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Plain lines, and servers with one address."""
    monkeypatch.setenv("BITFUSION_HOME", str(tmp_path))
    (tmp_path / "servers.conf").write_text(text)

    config.keep_reachable({server: server.ways[0] for server in config.servers()})

    assert (tmp_path / "servers.conf").read_text() == text
    assert config.servers() == (Server("10.0.0.1"),)
