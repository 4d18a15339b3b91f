"""The health checks of a client. Pure: facts in, results out. Names and kinds are those of the servers' checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bitfusion_client.machine import Interface

PASS, MARGINAL, CRITICAL = "pass", "marginal", "critical"
STATUSES = (PASS, MARGINAL, CRITICAL)
STABILITY, PERFORMANCE, RESOURCES, SOFTWARE = "stability", "performance", "resources", "software"

MIN_OPEN_FILES = 4096
MIN_MTU = 4000
FAST_MBPS = 10_000


class Result(NamedTuple):
    """What one check found."""

    name: str
    kind: str
    status: str
    detail: str


def overall(results: Sequence[Result]) -> str:
    """The worst status."""
    return max((one.status for one in results), key=STATUSES.index, default=PASS)


def shadow_mem(memory_mib: int, gpu_mib: int | None) -> Result:
    """Applications mirror the GPU memory they allocate in host memory; all GPUs of a request are of one server."""
    if gpu_mib is None:
        return Result("shadow_mem", RESOURCES, MARGINAL, f"{memory_mib} MiB of memory; no server says how much memory its GPUs have")
    found = f"{memory_mib} MiB of memory, GPUs of the largest server {gpu_mib} MiB"
    if memory_mib >= gpu_mib:
        return Result("shadow_mem", RESOURCES, PASS, found)
    return Result("shadow_mem", RESOURCES, MARGINAL, f"{found}: add memory, or ask for fewer GPUs at a time")


def mtu(interfaces: Sequence[Interface], server_mtus: Sequence[int] = ()) -> Result:
    """Fast interfaces need large packets, of the same size as the servers'."""
    small = [f"{one.name} {one.mtu}" for one in interfaces if (one.speed_mbps or 0) >= FAST_MBPS and one.mtu < MIN_MTU]
    if small:
        return Result(
            "mtu", PERFORMANCE, MARGINAL, f"{', '.join(small)}: set 4096 or more (ip link set NAME mtu 9000), and in the switches"
        )
    ours = {one.mtu for one in interfaces}
    missing = sorted(set(server_mtus) - ours)
    if missing:
        return Result("mtu", PERFORMANCE, MARGINAL, f"the servers use an MTU of {', '.join(map(str, missing))}, no interface here does")
    return Result("mtu", PERFORMANCE, PASS, ", ".join(f"{one.name} {one.mtu}" for one in interfaces) or "no interface is up")


def network(interfaces: Sequence[Interface], before: Mapping[str, int]) -> Result:
    """On a sound network no counter of errors and drops grows between two checks."""
    grown = [f"{one.name} +{one.errors - before[one.name]}" for one in interfaces if one.errors > before.get(one.name, one.errors)]
    if grown:
        return Result("network", STABILITY, MARGINAL, f"errors or drops since the last check: {', '.join(grown)}")
    compared = "no errors or drops since the last check" if before else "first check; the next one compares"
    return Result("network", STABILITY, PASS, compared)


def ulimit_n(limit: int) -> Result:
    """Too few open files show up as "Cannot allocate memory"."""
    if limit >= MIN_OPEN_FILES:
        return Result("ulimit_n", PERFORMANCE, PASS, f"{limit} open files")
    advice = f"{limit} open files, so connections may fail with 'Cannot allocate memory': run ulimit -n {MIN_OPEN_FILES}"
    return Result("ulimit_n", PERFORMANCE, MARGINAL, advice)


def install(problem: str | None, libraries: str) -> Result:
    """The client's own library."""
    if problem is not None:
        return Result("install", RESOURCES, CRITICAL, problem)
    return Result("install", RESOURCES, PASS, f"library in {libraries}")


def servers(answered: int, failures: Mapping[str, str]) -> Result:
    """All servers of the list can be reached and let us in."""
    if not failures:
        return Result("servers", STABILITY, PASS, f"{answered} reachable")
    told = "; ".join(f"{server}: {reason}" for server, reason in failures.items())
    return Result("servers", STABILITY, MARGINAL if answered else CRITICAL, told)


def version(ours: str, theirs: Mapping[str, str]) -> Result:
    """Client and servers of the same version."""
    others = {server: version for server, version in theirs.items() if version != ours}
    if others:
        told = ", ".join(f"{server} {version}" for server, version in others.items())
        return Result("version", SOFTWARE, MARGINAL, f"this client {ours}; {told}")
    return Result("version", SOFTWARE, PASS, ours)
