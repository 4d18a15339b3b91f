"""The newest figures in Prometheus' text format. Reads what the collector has seen: a scrape touches neither GPU nor store.

Labels are bounded: servers, GPUs and interfaces; never users, commands or clients, which come and go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

import bitfusion_core
from bitfusion_core import metrics
from bitfusion_core.metrics import Subject
from bitfusion_server.metrics.collect import Snapshot, levels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "bitfusion_"
BUILD_INFO = PREFIX + "build_info"
AGE = PREFIX + "metrics_age_seconds"


def exported() -> Iterator[metrics.Metric]:
    """Rows of the table that are exported."""
    return (row for row in metrics.TABLE if row.subject is Subject.SERVER)


def name_of(row: metrics.Metric) -> str:
    """How a row is called in Prometheus."""
    return PREFIX + row.name + ("_total" if row.counter else "")


def text(snapshot: Snapshot | None, now: float) -> bytes:
    """The answer to a scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(list(_families(snapshot, now))))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(snapshot: Snapshot | None, now: float) -> Iterator[Metric]:
    info = GaugeMetricFamily(BUILD_INFO, "1, labelled with the version of the server", labels=["version"])
    info.add_metric([bitfusion_core.__version__], 1.0)
    yield info
    if snapshot is None:
        return
    yield GaugeMetricFamily(AGE, "time since the figures were read", value=max(0.0, now - snapshot.at))
    values: dict[str, Mapping[str, float]] = {**levels(snapshot), **snapshot.counters}
    for row in exported():
        if values.get(row.name):
            yield _family(row, snapshot, values[row.name])


def _family(row: metrics.Metric, snapshot: Snapshot, values: Mapping[str, float]) -> Metric:
    labels = ["server", *([row.instance.value] if row.instance.value else [])]
    kind = CounterMetricFamily if row.counter else GaugeMetricFamily
    family = kind(PREFIX + row.name, row.help, labels=labels)
    for instance, value in values.items():
        family.add_metric([snapshot.inventory.server.hostname, *([instance] if row.instance.value else [])], value)
    return family
