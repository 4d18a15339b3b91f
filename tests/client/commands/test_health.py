"""`health` and `localhealth`: layout, JSON, exit codes."""

from __future__ import annotations

import json

from tests.client.conftest import Cli
from tests.client.fake_manager import FakeManager


def run(cli: Cli, *arguments: str, **more: object) -> tuple[int, str]:
    """Exit code and standard output; the counters of the checks stay in the test's folder."""
    result = cli.run(*arguments, env={**cli.environment, "XDG_CACHE_HOME": str(cli.folder)}, **more)
    assert result.stderr == ""
    return result.returncode, result.stdout


def test_health_of_client_and_servers(cli: Cli, manager: FakeManager) -> None:
    """A block for this machine and one for each server, in the manner of list_gpus; the server's own checks are shown as it gives them."""
    row = {"name": "ecc", "type": "stability", "status": "pass", "details": "no errors"}
    manager.behaviour.more["/v1/health"] = {"checks": [row, {**row, "name": "mtu", "status": "marginal", "details": "net1 1500"}]}

    code, text = run(cli, "health")

    lines = text.splitlines()
    assert code == 0
    assert lines[0].startswith("- client [")
    assert lines[-3:] == [
        f"- server 0 [{manager.address}]: marginal",
        "|- pass     stability   ecc  no errors",
        "|- marginal stability   mtu  net1 1500",
    ]


def test_critical_server_is_the_exit_code(cli: Cli, manager: FakeManager) -> None:
    """14, also with --json, which has the same results."""
    row = {"name": "xid", "type": "stability", "status": "critical", "details": "Xid 79"}
    manager.behaviour.more["/v1/health"] = {"checks": [row]}

    code, text = run(cli, "H", "--json")

    report = json.loads(text)
    assert (code, report["version"]) == (14, 1)
    assert report["servers"] == [{"address": manager.address, "status": "critical", "checks": [row]}]


def test_server_without_health(cli: Cli, manager: FakeManager) -> None:
    """An older server that reports no checks is not taken for a sick one."""
    assert run(cli, "health")[0] == 0


def test_localhealth_without_a_server(cli: Cli) -> None:
    """What needs no server is checked all the same; no server at all is critical."""
    code, text = run(cli, "LH", "-l", "127.0.0.1:1")

    assert code == 14
    assert "|- critical stability   servers" in text
    assert "ulimit_n" in text


def test_second_check_compares(cli: Cli) -> None:
    """The counters of the first check are kept for the second."""
    assert "first check" in run(cli, "LH")[1]
    assert "first check" not in run(cli, "LH")[1]


def test_low_limit_of_open_files(cli: Cli) -> None:
    """The advice reaches the user."""
    result = cli.run("LH", env={**cli.environment, "XDG_CACHE_HOME": str(cli.folder)}, preexec_fn=_few_files)

    assert "run ulimit -n 4096" in result.stdout


def _few_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))
