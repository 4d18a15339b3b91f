"""What every server measures, as people and scripts read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bitfusion_client.commands.stats import amount, parse, render
from bitfusion_client.config import Server
from bitfusion_core.metrics import TABLE
from tests.client.conftest import Cli
from tests.client.fake_manager import FakeManager


def figure(name: str, unit: str, now: float | None, mean: float, highest: float, instance: str = "") -> dict[str, Any]:
    """One figure of an answer."""
    return {"name": name, "instance": instance, "unit": unit, "now": now, "mean": mean, "max": highest}


ANSWER = {
    "server_id": "5e1f0000-0000-4000-8000-000000000001",
    "hostname": "gpu-1",
    "at": 1700000000.0,
    "window": "1h",
    "gpus": [{"index": 0, "uuid": "GPU-a", "name": "Tesla T4"}],
    "figures": [
        figure("server_gpus", "gpus", 1.0, 1.0, 1.0),
        figure("server_gpus_allocated", "gpus", 0.5, 0.25, 1.0),
        figure("gpu_memory_used_bytes", "bytes", 8589934592.0, 4294967296.0, 8589934592.0, "GPU-a"),
        figure("gpu_utilization_ratio", "ratio", None, 0.25, 0.995, "GPU-a"),
        figure("network_receive_bytes", "bytes/s", 1500.0, 0.0, 2097152.0, "ens192"),
        figure("of_a_newer_server", "parsecs", 1.0, 1.0, 1.0),
    ],
}
TEXT = """\
server 0 [10.0.0.5:56001] gpu-1
                                       now       mean 1h        max 1h
  GPUs                                   1             1             1
  GPUs allocated                       0.5           0.2             1
  GPU 0: Tesla T4
    memory used                    8.0 GiB       4.0 GiB       8.0 GiB
    utilization                        N/A          25 %         100 %
  network ens192
    received                     1.5 KiB/s         0 B/s     2.0 MiB/s"""


def test_report() -> None:
    """A table for each server; what a server lacks is left out, what is missing now reads N/A."""
    assert "\n".join(render({Server("10.0.0.5"): parse(ANSWER)})) == TEXT


def test_json_is_what_the_server_said(cli: Cli, manager: FakeManager) -> None:
    """Scripts get every figure, with its unit, also those this version does not know."""
    manager.behaviour.more["/v1/stats?window=24h"] = ANSWER

    result = cli.run("stats", "--window", "24h", "--json")

    assert result.returncode == 0
    (server,) = json.loads(result.stdout)["servers"]
    assert server == {"address": server["address"], **ANSWER}


def test_no_such_window(cli: Cli, manager: FakeManager) -> None:
    """A window that does not exist is a usage error."""
    assert cli.run("stats", "--window", "2h").returncode == 2


def test_strange_answer(cli: Cli, manager: FakeManager) -> None:
    """An answer that is none is an error of that server."""
    manager.behaviour.more["/v1/stats?window=1h"] = {"figures": [{"name": "x"}]}

    result = cli.run("stats")

    assert result.returncode == 12
    assert "does not answer as a server should" in result.stderr


@pytest.mark.parametrize("unit", sorted({row.history_unit for row in TABLE}))
def test_every_unit_can_be_shown(unit: str) -> None:
    """No unit of the table of metrics is unknown here."""
    assert amount(1.0, unit)
    assert amount(None, unit) == "N/A"
