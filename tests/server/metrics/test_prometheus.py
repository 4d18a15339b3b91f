"""What Prometheus reads."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from bitfusion_server.metrics import interfaces, prometheus
from tests.server.metrics.test_collect import PROC_NET_DEV, snapshot


def scraped(at: float = 100.0) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name."""
    body = prometheus.text(snapshot(at, interfaces.parse(PROC_NET_DEV)), 102.0).decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_values_and_labels() -> None:
    """Base units; server, GPU and interface as labels; counters end in _total."""
    found = scraped()

    assert ({"server": "gpu-1", "gpu": "GPU-0"}, 0.5) in found["bitfusion_gpu_utilization_ratio"]
    assert ({"server": "gpu-1", "interface": "eth0"}, 1000000.0) in found["bitfusion_network_receive_bytes_total"]
    assert found["bitfusion_server_gpus_allocated"] == [({"server": "gpu-1"}, 1.75)]
    assert found["bitfusion_metrics_age_seconds"] == [({}, 2.0)]
    assert [labels.keys() for labels, _ in found["bitfusion_build_info"]] == [{"version"}]


def test_labels_are_bounded() -> None:
    """Nothing that users choose or that comes and goes is a label."""
    body = prometheus.text(snapshot(), 100.0).decode()

    assert set(re.findall(r"(\w+)=\"", body)) == {"server", "gpu", "version"}
    assert "laptop" not in body
    assert "TOKEN22" not in body


def test_before_the_first_reading() -> None:
    """A scrape right after the start has no figures, and is an answer."""
    assert b"bitfusion_build_info" in prometheus.text(None, 0.0)
