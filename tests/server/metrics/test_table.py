"""History as CSV."""

from __future__ import annotations

import csv
import io

from bitfusion_core.metrics import Sample
from bitfusion_server.metrics.table import as_csv


def test_csv() -> None:
    """A row for each moment in UTC, a column for each figure of each instance in the table's order; what is missing is empty."""
    samples = [
        Sample(0.0, {"gpu_power_watts": {"GPU-b": 70.5}, "server_leases": {"": 1.0}}),
        Sample(1_700_000_000.0, {"gpu_memory_used_bytes": {"GPU-b": 17179869184.0}, "network_receive_bytes": {"eth0": 0.5}}),
    ]

    rows = list(csv.reader(io.StringIO(as_csv(samples, {"GPU-b": "gpu 0"}))))

    assert rows == [
        ["time", "gpu_memory_used_bytes gpu 0", "gpu_power_watts gpu 0", "network_receive_bytes_per_second eth0", "server_leases"],
        ["1970-01-01T00:00:00Z", "", "70.5", "", "1"],
        ["2023-11-14T22:13:20Z", "17179869184", "", "0.5", ""],
    ]


def test_nothing() -> None:
    """Without history there is a heading."""
    assert as_csv([], {}) == "time\r\n"
