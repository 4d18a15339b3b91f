"""From what a server sees to samples."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bitfusion_core.metrics import BY_NAME, TABLE, Subject
from bitfusion_core.models import Gpu, GpuReading, Lease, LeasedGpu
from bitfusion_core.units import MIB
from bitfusion_server.metrics import interfaces
from bitfusion_server.metrics.collect import Snapshot, client_samples, server_sample
from bitfusion_server.scheduler.placement import GpuState, Inventory
from tests.server.scheduler.strategies import SERVER

GPUS = tuple(Gpu(i, f"GPU-{i}", "Tesla T4", f"0000:0{i}:00.0", 16000) for i in range(2))
PROC_NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0
  eth0: 1000000    1000    1    2    0     0          0         0  2000000    1500    3    4    0     0       0          0
ens192:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
"""


def lease(number: int, client: str, fraction: float, *indexes: int) -> Lease:
    """A lease of a client on these GPUs."""
    memory_mib = int(16000 * fraction)
    shares = tuple(LeasedGpu(i, f"GPU-{i}", "Tesla T4", memory_mib, memory_mib) for i in indexes)
    return Lease(f"l{number}", "s1", "TOKEN22", client, shares, memory_mib, fraction, "lease", "laptop", "ann", (), 1.0)


LEASES = (lease(1, "c1", 0.5, 0), lease(2, "c1", 0.25, 0), lease(3, "c2", 1.0, 1))


def snapshot(at: float = 100.0, counters: dict[str, dict[str, float]] | None = None) -> Snapshot:
    """Two GPUs, one of which has no sensors, and three leases."""
    inventory = Inventory(SERVER, tuple(GpuState(gpu) for gpu in GPUS), 0, "s1").charged(share for one in LEASES for share in one.gpus)
    readings = (GpuReading(GPUS[0], used_mib=9000, utilization_percent=50, temperature_c=60, power_w=70.5), GpuReading(GPUS[1]))
    return Snapshot(at, inventory, readings, LEASES, 3, counters or {})


def test_server() -> None:
    """Sensors in base units, allocations as the scheduler counts them; a sensor that is missing is left out."""
    values = server_sample(snapshot(), None).values

    assert values["gpu_memory_used_bytes"] == {"GPU-0": 9000.0 * MIB}
    assert values["gpu_memory_allocated_bytes"] == {"GPU-0": 12000.0 * MIB, "GPU-1": 16000.0 * MIB}
    assert values["gpu_utilization_ratio"] == {"GPU-0": 0.5}
    assert values["gpu_leases"] == {"GPU-0": 2.0, "GPU-1": 1.0}
    assert values["server_gpus_allocated"] == {"": 1.75}
    assert values["server_waiting_requests"] == {"": 3.0}
    assert values["server_accepting"] == {"": 1.0}
    assert "gpu_ecc_uncorrected_errors" not in values


def test_clients() -> None:
    """Partitions of several applications of a client add up."""
    samples = dict(client_samples(snapshot()))

    assert samples["c1"].values == {
        "client_gpus_allocated": {"": 0.75},
        "client_memory_allocated_bytes": {"": 12000.0 * MIB},
        "client_leases": {"": 2.0},
    }
    assert set(samples) == {"c1", "c2"}


def test_rates() -> None:
    """Counters become growth per second; one that was reset, or has no past, has no rate this time."""
    before = snapshot(100.0, {"network_receive_bytes": {"eth0": 1000.0, "eth1": 500.0}})
    now = snapshot(110.0, {"network_receive_bytes": {"eth0": 6000.0, "eth1": 20.0, "eth2": 7.0}})

    assert server_sample(now, before).values["network_receive_bytes"] == {"eth0": 500.0}
    assert "network_receive_bytes" not in server_sample(now, None).values
    assert "network_receive_bytes" not in server_sample(dataclasses.replace(now, at=100.0), before).values


def test_interfaces(tmp_path: Path) -> None:
    """The kernel's columns, of adapters and bonds only; a line of another form is passed over."""
    (tmp_path / "dev").write_text(PROC_NET_DEV + "odd: 1 2\n")
    for name, part in (("eth0", "device"), ("ens192", "bonding"), ("lo", "queues"), ("odd", "device")):
        (tmp_path / name / part).mkdir(parents=True)

    counters = interfaces.read(tmp_path / "dev", tmp_path)

    assert {name: figures["eth0"] for name, figures in counters.items()} == {
        "network_receive_bytes": 1000000.0,
        "network_receive_errors": 1.0,
        "network_receive_drops": 2.0,
        "network_transmit_bytes": 2000000.0,
        "network_transmit_errors": 3.0,
        "network_transmit_drops": 4.0,
    }
    assert set(counters["network_receive_bytes"]) == {"eth0", "ens192"}


def test_every_figure_of_the_table_is_collected() -> None:
    """No row of the table without a value, no value without a row."""
    full = GpuReading(GPUS[0], used_mib=1, ecc_uncorrected=0, temperature_c=1, power_w=1.0, utilization_percent=1)
    seen = dataclasses.replace(snapshot(), readings=(full,), counters=interfaces.parse(PROC_NET_DEV))
    collected = set(server_sample(dataclasses.replace(seen, at=200.0), seen).values) | set(dict(client_samples(seen))["c1"].values)

    assert collected == {row.name for row in TABLE if row.subject is not Subject.CLUSTER}
    assert collected <= BY_NAME.keys()
