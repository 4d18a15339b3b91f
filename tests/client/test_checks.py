"""The verdicts of the client's health checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitfusion_client import checks, machine
from bitfusion_client.checks import CRITICAL, MARGINAL, PASS
from bitfusion_client.machine import Interface

FAST = Interface("ens192", 1500, 10_000, 0)


@pytest.mark.parametrize("memory_mib,gpu_mib,status", [(32768, 32768, PASS), (32767, 32768, MARGINAL), (64000, None, MARGINAL)])
def test_shadow_memory(memory_mib: int, gpu_mib: int | None, status: str) -> None:
    """The host needs as much memory as the GPUs of one server have."""
    assert checks.shadow_mem(memory_mib, gpu_mib).status == status


@pytest.mark.parametrize(
    "interfaces,servers,status",
    [
        ([FAST], [], MARGINAL),
        ([FAST._replace(mtu=4000)], [], PASS),
        ([FAST._replace(speed_mbps=1000)], [], PASS),
        ([FAST._replace(speed_mbps=None)], [], PASS),
        ([FAST._replace(mtu=9000)], [9000], PASS),
        ([FAST._replace(mtu=4096)], [9000], MARGINAL),
        ([], [], PASS),
    ],
)
def test_mtu(interfaces: list[Interface], servers: list[int], status: str) -> None:
    """Fast interfaces have 4000 or more, and the servers' size."""
    assert checks.mtu(interfaces, servers).status == status


def test_network_errors_count_only_when_they_grow() -> None:
    """Old errors, new interfaces and counters set back by a driver are no fault."""
    assert checks.network([FAST._replace(errors=7)], {}).status == PASS
    assert checks.network([FAST._replace(errors=7)], {"ens192": 7}).status == PASS
    assert checks.network([FAST._replace(errors=3)], {"ens192": 7}).status == PASS
    grown = checks.network([FAST._replace(errors=9)], {"ens192": 7})
    assert (grown.status, "ens192 +2" in grown.detail) == (MARGINAL, True)


def test_open_files() -> None:
    """Below 4096 the advice of the guide is given."""
    assert checks.ulimit_n(4096).status == PASS
    low = checks.ulimit_n(1024)
    assert (low.status, "ulimit -n 4096" in low.detail, "Cannot allocate memory" in low.detail) == (MARGINAL, True, True)


def test_servers_and_versions() -> None:
    """One server of several missing is marginal, all missing critical; another version is named."""
    assert checks.servers(2, {}).status == PASS
    assert checks.servers(1, {"10.0.0.1:56001": "refused"}).status == MARGINAL
    assert checks.servers(0, {"10.0.0.1:56001": "refused"}).status == CRITICAL
    assert checks.version("1.0", {"a": "1.0"}).status == PASS
    assert checks.version("1.0", {"a": "1.1"}).detail == "this client 1.0; a 1.1"


def test_overall_is_the_worst() -> None:
    """Of nothing it is a pass."""
    assert checks.overall([]) == PASS
    assert checks.overall([checks.ulimit_n(1), checks.install("gone", ""), checks.ulimit_n(5000)]) == CRITICAL


def test_interfaces_are_read_as_the_kernel_shows_them(tmp_path: Path) -> None:
    """Interfaces that are down and the loopback are left out, counters of errors and drops are added up, a missing speed is unknown."""
    for name, state, speed in (("ens1", "up", "10000"), ("ens2", "down", "10000"), ("lo", "unknown", ""), ("veth0", "up", "-1")):
        statistics = tmp_path / name / "statistics"
        statistics.mkdir(parents=True)
        for counter, value in (("rx_errors", 2), ("tx_errors", 1), ("rx_dropped", 4), ("rx_packets", 99)):
            (statistics / counter).write_text(f"{value}\n")
        for file, value in (("operstate", state), ("speed", speed), ("mtu", "1500")):
            (tmp_path / name / file).write_text(f"{value}\n")

    assert machine.interfaces(tmp_path) == (Interface("ens1", 1500, 10000, 7), Interface("veth0", 1500, None, 7))
