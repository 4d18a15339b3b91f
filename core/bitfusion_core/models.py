"""Values that cross the borders between the parts. Immutable; units in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HOLD_CONNECTION = "connection"
HOLD_LEASE = "lease"
HOLDS = (HOLD_CONNECTION, HOLD_LEASE)

DEFAULT_MANAGER_PORT = 56001
DEFAULT_DISPATCHER_PORT = 55001
DEFAULT_WAIT_S = 1800.0
MAX_GPUS_PER_REQUEST = 64


@dataclass(frozen=True)
class Gpu:
    """A physical GPU as the scheduler sees it."""

    index: int
    uuid: str
    name: str
    pci_bus_id: str
    memory_mib: int


@dataclass(frozen=True)
class GpuReading:
    """A GPU with its sensors at one moment; a sensor the device lacks is None."""

    gpu: Gpu
    used_mib: int | None = None
    persistence_mode: bool | None = None
    ecc_uncorrected: int | None = None
    fan_percent: int | None = None
    temperature_c: int | None = None
    pstate: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    utilization_percent: int | None = None
    compute_mode: str | None = None


@dataclass(frozen=True)
class GpuReport:
    """All GPUs of a server at one moment."""

    driver_version: str
    cuda_version: str
    gpus: tuple[GpuReading, ...]


@dataclass(frozen=True)
class ServerFacts:
    """What filters can ask about a server; `address` is the one it is known by, `addresses` are all it has."""

    address: str
    hostname: str
    driver_version: str
    cuda_version: str
    has_rdma: bool = False
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeaseRequest:
    """What a client asks for. Neither `fraction` nor `memory_mib`: whole GPUs. `auto_release_s`: ended after so long without GPU work; 0: not."""

    gpus: int
    fraction: float | None = None
    memory_mib: int | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timeout_s: float = DEFAULT_WAIT_S
    hold: str = HOLD_CONNECTION
    auto_release_s: float = 0.0
    command: tuple[str, ...] = ()
    hostname: str = ""
    user: str = ""

    @property
    def whole(self) -> bool:
        """Each GPU is wanted alone: nothing was said, or all of it."""
        return self.memory_mib is None and self.fraction in (None, 1.0)


@dataclass(frozen=True)
class LeasedGpu:
    """One GPU of a lease. `charge_mib` is what the scheduler counts: the partition and the driver's own context."""

    index: int
    uuid: str
    name: str
    memory_mib: int
    charge_mib: int


@dataclass(frozen=True)
class Lease:
    """GPUs given to one session until it ends. A `partition` confines it to `memory_mib` of each; else it has them whole."""

    id: str
    server_id: str
    token_id: str
    client_id: str
    gpus: tuple[LeasedGpu, ...]
    memory_mib: int
    fraction: float
    hold: str
    hostname: str
    user: str
    command: tuple[str, ...]
    granted_at: float
    tls: bool = True
    partition: bool = False
    auto_release_s: float = 0.0


@dataclass(frozen=True)
class EndedLease:
    """A row of the history."""

    lease: Lease
    ended_at: float
    reason: str
