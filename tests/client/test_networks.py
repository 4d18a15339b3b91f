"""Networks: the rows of net_perf, and which network an application is given first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitfusion_client import machine, measuring, networks
from bitfusion_client.networks import Figures, Measured
from bitfusion_core.errors import ManagerUnreachable

NOW = 1_700_000_000.0
TCP = Measured("ens160", "10.202.8.169", "net1", "10.202.8.169", Figures(51.4, 1.7123))
RDMA = Measured("vmw_pvrdma0", "10.202.8.169", "vmw_pvrdma0", "10.0.3.1", Figures(19.1, 3.6581), Figures(8.2, 10.101))

SEVERAL = """\
[ <client>] ens160 => [10.202.8.169] net1 ( tcp) Single packet lat = 51 us, bw(1MB) = 1.71 GB/s
[ <client>] ens160 => [10.202.8.185] net1 ( tcp) Single packet lat = 48 us, bw(1MB) = 1.09 GB/s
[ <client>] ens160 => [10.202.8.233] net1 ( tcp) Single packet lat = 50 us, bw(1MB) = 0.87 GB/s
[ <client>] ens192f0 => [10.202.8.169] net2 ( tcp) Single packet lat = 47 us, bw(1MB) = 2.14 GB/s
[ <client>] ens192f0 => [10.202.8.185] net2 ( tcp) Single packet lat = 49 us, bw(1MB) = 1.11 GB/s
[ <client>] ens192f0 => [10.202.8.233] net2 ( tcp) Single packet lat = 50 us, bw(1MB) = 1.15 GB/s"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is remembered goes here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "bitfusion" / "networks.json"


def test_rows_as_in_the_guide() -> None:
    """TCP and RDMA rows, character for character."""
    assert networks.line(TCP) == "[ <client>] ens160 => [10.202.8.169] net1 ( tcp) Single packet lat = 51 us, bw(1MB) = 1.71 GB/s"
    assert networks.line(RDMA) == (
        "[ <client>] vmw_pvrdma0 => [10.202.8.169] vmw_pvrdma0 (infiniband) Single packet lat = 19 us, bw(1MB) = 3.66 GB/s "
        "Single packet Write lat = 8 us, bw = 10.101 GB/s"
    )


def test_several_interfaces_as_in_the_guide() -> None:
    """All rows of a client with two interfaces, in the order in which net_perf prints them."""
    measured = [
        TCP._replace(interface=interface, server=f"10.202.8.{host}", network=network, figures=Figures(latency, bandwidth))
        for interface, network, rows in (
            ("ens160", "net1", ((169, 51, 1.71), (185, 48, 1.09), (233, 50, 0.87))),
            ("ens192f0", "net2", ((169, 47, 2.14), (185, 49, 1.11), (233, 50, 1.15))),
        )
        for host, latency, bandwidth in rows
    ]

    assert "\n".join(map(networks.line, measured)) == SEVERAL


def test_rdma_adapter_without_figures(tmp_path: Path) -> None:
    """Where there is one, its row says that it was not measured, and why; elsewhere there is no row."""
    (tmp_path / "vmw_pvrdma0").mkdir()

    assert [networks.line_without_figures(device) for device in machine.rdma_adapters(tmp_path)] == [
        "[ <client>] vmw_pvrdma0 (infiniband) not measured: this release moves data over TCP only"
    ]
    assert machine.rdma_adapters(tmp_path / "none") == []


def test_bandwidth_by_the_formula_of_the_guide() -> None:
    """BW(1MB) = 1000/(LAT(1MB) - LAT(1B)), and never infinite."""
    assert networks.figures(50, 550) == Figures(50, 2.0)
    assert networks.figures(50, 50).bandwidth_gb_s < 1e7


def test_best_network_first() -> None:
    """What moves 1 MB soonest; an address that was not measured stays the last resort."""
    fast, slow = TCP._replace(address="10.0.2.1", figures=Figures(60, 10.0)), TCP._replace(figures=Figures(40, 1.0))
    networks.remember([slow, fast], NOW)

    assert networks.addresses("10.202.8.169", NOW + 60) == ["10.0.2.1", "10.202.8.169"]
    assert networks.addresses("10.9.9.9", NOW) == ["10.9.9.9"]
    networks.remember([TCP._replace(address="10.0.2.1")], NOW)
    assert networks.addresses("10.202.8.169", NOW) == ["10.0.2.1", "10.202.8.169"]


def test_old_results_are_not_used() -> None:
    """Networks change: after a week, and when the clock went back, the server's own address counts."""
    networks.remember([TCP._replace(address="10.0.2.1")], NOW)

    assert networks.addresses("10.202.8.169", NOW + 8 * 86400) == ["10.202.8.169"]
    assert networks.addresses("10.202.8.169", NOW - 60) == ["10.202.8.169"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"a": 1}', '{"a": {"at": 1700000000, "networks": [["x y", 1, 1]]}}', '{"a": {"at": "x"}}']
)
def test_damaged_memory(cache: Path, text: str) -> None:
    """Whatever is in the file, the server's own address is used, and nothing else reaches the allocation file."""
    cache.parent.mkdir()
    cache.write_text(text)

    assert networks.addresses("a", NOW) == ["a"]


def test_other_servers_stay_remembered(cache: Path) -> None:
    """Measuring one server does not forget another."""
    networks.remember([TCP], NOW)
    networks.remember([TCP._replace(server="10.0.0.2")], NOW)

    assert sorted(json.loads(cache.read_text())) == ["10.0.0.2", "10.202.8.169"]


@pytest.mark.parametrize(
    "change",
    [{"session": "x"}, {"key": "zz"}, {"port": None}, {"networks": [{"name": "net1", "address": "::1", "mtu": 0}]}, {"networks": 1}],
)
def test_bad_tickets(change: dict[str, object]) -> None:
    """A manager's answer is checked before it is used."""
    good = {"session": "0f8fad5b-d9cb-469f-a165-70867728950e", "key": "ab" * 32, "port": 55001, "networks": []}
    assert measuring.parse_ticket("s", good).port == 55001

    with pytest.raises(ManagerUnreachable):
        measuring.parse_ticket("s", {**good, **change})
