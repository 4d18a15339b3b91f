"""From what a server sees at one moment to samples. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bitfusion_core.metrics import Sample
from bitfusion_core.models import GpuReading, Lease
from bitfusion_core.units import MIB
from bitfusion_server.scheduler.placement import GpuState, Inventory

Values = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Snapshot:
    """A server at one moment. `counters[metric][interface]` only grow."""

    at: float
    inventory: Inventory
    readings: tuple[GpuReading, ...]
    leases: tuple[Lease, ...]
    waiting: int
    counters: Mapping[str, Mapping[str, float]]


def server_sample(now: Snapshot, before: Snapshot | None) -> Sample:
    """Everything about the server; rates need an earlier snapshot."""
    values = {**levels(now), **(_rates(before, now) if before is not None else {})}
    return Sample(now.at, {name: instances for name, instances in values.items() if instances})


def client_samples(now: Snapshot) -> Iterator[tuple[str, Sample]]:
    """Clients that have GPUs, by their ids; one that has none has no sample, which reads as nothing."""
    by_client: dict[str, list[Lease]] = {}
    for lease in now.leases:
        by_client.setdefault(lease.client_id or lease.token_id, []).append(lease)
    for client_id, leases in by_client.items():
        yield client_id, Sample(now.at, _client(leases))


def levels(now: Snapshot) -> Values:
    """What is measured at a moment."""
    values: Values = {name: {"": value} for name, value in _server(now)}
    readings = {reading.gpu.uuid: reading for reading in now.readings}
    for state in now.inventory.gpus:
        for name, read in _GPU.items():
            value = read(state, readings.get(state.gpu.uuid) or GpuReading(state.gpu))
            if value is not None:
                values.setdefault(name, {})[state.gpu.uuid] = float(value)
    return values


def _server(now: Snapshot) -> Iterator[tuple[str, float]]:
    yield "server_gpus", float(len(now.inventory.gpus))
    yield "server_gpus_allocated", sum(lease.fraction * len(lease.gpus) for lease in now.leases)
    yield "server_leases", float(len(now.leases))
    yield "server_waiting_requests", float(now.waiting)
    yield "server_accepting", float(now.inventory.accepting)


def _client(leases: list[Lease]) -> Values:
    return {
        "client_gpus_allocated": {"": sum(lease.fraction * len(lease.gpus) for lease in leases)},
        "client_memory_allocated_bytes": {"": float(sum(gpu.memory_mib for lease in leases for gpu in lease.gpus) * MIB)},
        "client_leases": {"": float(len(leases))},
    }


def _rates(before: Snapshot, now: Snapshot) -> Values:
    """Growth per second. A counter that fell was reset, an interface that is new has no past: neither has a rate this time."""
    elapsed_s = now.at - before.at
    rates: Values = {}
    if elapsed_s <= 0:
        return rates
    for name, interfaces in now.counters.items():
        earlier = before.counters.get(name, {})
        grown = {interface: value - earlier[interface] for interface, value in interfaces.items() if interface in earlier}
        rates[name] = {interface: growth / elapsed_s for interface, growth in grown.items() if growth >= 0}
    return rates


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


_GPU: dict[str, Callable[[GpuState, GpuReading], float | None]] = {
    "gpu_memory_total_bytes": lambda state, _: state.gpu.memory_mib * MIB,
    "gpu_memory_used_bytes": lambda _, reading: _scaled(reading.used_mib, MIB),
    "gpu_memory_allocated_bytes": lambda state, _: state.used_mib * MIB,
    "gpu_utilization_ratio": lambda _, reading: _scaled(reading.utilization_percent, 0.01),
    "gpu_temperature_celsius": lambda _, reading: reading.temperature_c,
    "gpu_power_watts": lambda _, reading: reading.power_w,
    "gpu_ecc_uncorrected_errors": lambda _, reading: reading.ecc_uncorrected,
    "gpu_leases": lambda state, _: state.leases,
}
