"""Every figure that is measured, in one typed table.

History, CSV, `bitfusion stats`, Prometheus' `/metrics` and the reference page read it. Values are in base units (bytes, seconds, ratios from 0
to 1), so that nobody converts twice. A figure belongs to a subject, and may have instances there: the GPUs or network interfaces of a server.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Subject(enum.Enum):
    """What has a history of its own."""

    CLUSTER = "cluster"
    SERVER = "server"
    CLIENT = "client"


class Instance(enum.Enum):
    """Of which there are several within a subject; the value is the label that tells them apart."""

    NONE = ""
    GPU = "gpu"
    INTERFACE = "interface"


class Source(enum.Enum):
    """Where a figure comes from."""

    NVML = "NVML"
    SCHEDULER = "scheduler"
    KERNEL = "kernel"
    SERVERS = "sum of the servers"


class Aggregation(enum.Enum):
    """What stands for a longer time: RATE is the mean of the growth per second of a counter."""

    MEAN = "mean"
    MAX = "max"
    LAST = "last"
    RATE = "rate"


@dataclass(frozen=True)
class Metric:
    """One row."""

    name: str
    unit: str
    subject: Subject
    instance: Instance
    source: Source
    aggregation: Aggregation
    help: str

    @property
    def counter(self) -> bool:
        """It only grows; what is kept in the history is its rate."""
        return self.aggregation is Aggregation.RATE

    @property
    def history_unit(self) -> str:
        """Unit of the values in the history."""
        return f"{self.unit}/s" if self.counter else self.unit


_GPU = (Subject.SERVER, Instance.GPU)
_NIC = (Subject.SERVER, Instance.INTERFACE, Source.KERNEL, Aggregation.RATE)
_SERVER = (Subject.SERVER, Instance.NONE, Source.SCHEDULER)
_CLIENT = (Subject.CLIENT, Instance.NONE, Source.SCHEDULER)
_CLUSTER = (Subject.CLUSTER, Instance.NONE, Source.SERVERS)
_MEAN, _MAX, _LAST = Aggregation.MEAN, Aggregation.MAX, Aggregation.LAST

TABLE: tuple[Metric, ...] = (
    Metric("gpu_memory_total_bytes", "bytes", *_GPU, Source.NVML, _LAST, "memory of the GPU"),
    Metric("gpu_memory_used_bytes", "bytes", *_GPU, Source.NVML, _MEAN, "memory in use on the GPU, by whomever"),
    Metric("gpu_memory_allocated_bytes", "bytes", *_GPU, Source.SCHEDULER, _MEAN, "memory of the GPU given to applications"),
    Metric("gpu_utilization_ratio", "ratio", *_GPU, Source.NVML, _MEAN, "share of the time in which the GPU's cores worked"),
    Metric("gpu_temperature_celsius", "celsius", *_GPU, Source.NVML, _MAX, "temperature of the GPU"),
    Metric("gpu_power_watts", "watts", *_GPU, Source.NVML, _MEAN, "power the GPU draws"),
    Metric("gpu_ecc_uncorrected_errors", "errors", *_GPU, Source.NVML, _MAX, "uncorrectable memory errors since the driver was loaded"),
    Metric("gpu_leases", "leases", *_GPU, Source.SCHEDULER, _MEAN, "applications and reservations on the GPU"),
    Metric("network_receive_bytes", "bytes", *_NIC, "bytes received on the interface"),
    Metric("network_transmit_bytes", "bytes", *_NIC, "bytes sent on the interface"),
    Metric("network_receive_errors", "packets", *_NIC, "packets received with errors on the interface"),
    Metric("network_transmit_errors", "packets", *_NIC, "packets not sent for errors on the interface"),
    Metric("network_receive_drops", "packets", *_NIC, "packets received and dropped on the interface"),
    Metric("network_transmit_drops", "packets", *_NIC, "packets dropped before they were sent on the interface"),
    Metric("server_gpus", "gpus", *_SERVER, _LAST, "GPUs of the server"),
    Metric("server_gpus_allocated", "gpus", *_SERVER, _MEAN, "GPUs given to applications; a partition counts as its fraction"),
    Metric("server_leases", "leases", *_SERVER, _MEAN, "applications and reservations on the server"),
    Metric("server_waiting_requests", "requests", *_SERVER, _MEAN, "requests that wait for GPUs"),
    Metric("server_accepting", "ratio", *_SERVER, _MEAN, "1 when the server takes new applications, 0 when it is drained"),
    Metric("client_gpus_allocated", "gpus", *_CLIENT, _MEAN, "GPUs the client has; a partition counts as its fraction"),
    Metric("client_memory_allocated_bytes", "bytes", *_CLIENT, _MEAN, "GPU memory the client has"),
    Metric("client_leases", "leases", *_CLIENT, _MEAN, "applications and reservations of the client"),
    Metric("cluster_servers", "servers", *_CLUSTER, _LAST, "servers that report"),
    Metric("cluster_gpus", "gpus", *_CLUSTER, _LAST, "GPUs of all servers"),
    Metric("cluster_gpus_allocated", "gpus", *_CLUSTER, _MEAN, "GPUs given to applications on all servers"),
    Metric("cluster_leases", "leases", *_CLUSTER, _MEAN, "applications and reservations on all servers"),
    Metric("cluster_waiting_requests", "requests", *_CLUSTER, _MEAN, "requests that wait for GPUs on all servers"),
)
BY_NAME: dict[str, Metric] = {row.name: row for row in TABLE}


@dataclass(frozen=True)
class Window:
    """A span of history people look at: points `step_s` apart, kept for `keep_s`, in buckets of `bucket_s`."""

    name: str
    span_s: int
    step_s: int
    keep_s: int
    bucket_s: int


# The first holds what was sampled (its step is the metrics interval); each further one is rolled up from the one before, whose step divides its own.
WINDOWS: tuple[Window, ...] = (
    Window("5m", 300, 5, 900, 300),
    Window("1h", 3600, 30, 2 * 3600, 3600),
    Window("24h", 86400, 600, 2 * 86400, 86400),
    Window("30d", 30 * 86400, 4 * 3600, 31 * 86400, 7 * 86400),
)
WINDOW_BY_NAME: dict[str, Window] = {window.name: window for window in WINDOWS}


@dataclass(frozen=True)
class Sample:
    """The figures of one subject at a moment, or over the time that began then: `values[metric][instance]`, made from `count` readings."""

    at: float
    values: Mapping[str, Mapping[str, float]]
    count: int = 1
