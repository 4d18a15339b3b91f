"""History as CSV: a row for each moment, a column for each figure and instance. Pure."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterator, Mapping, Sequence

from bitfusion_core.metrics import BY_NAME, TABLE, Sample

CONTENT_TYPE = "text/csv; charset=utf-8"

Column = tuple[str, str]


def as_csv(samples: Sequence[Sample], instances: Mapping[str, str]) -> str:
    """`instances` are the names shown for instances, such as `gpu 0` for a UUID. A figure that is missing at a moment is an empty cell."""
    columns = _columns(samples)
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(["time", *(_title(column, instances) for column in columns)])
    for sample in samples:
        table.writerow([_time(sample.at), *_cells(sample, columns)])
    return written.getvalue()


def _columns(samples: Sequence[Sample]) -> list[Column]:
    """In the order of the table of metrics, then by instance."""
    found = {(name, instance) for sample in samples for name, instances in sample.values.items() for instance in instances}
    order = {row.name: number for number, row in enumerate(TABLE)}
    return sorted((column for column in found if column[0] in order), key=lambda column: (order[column[0]], column[1]))


def _title(column: Column, instances: Mapping[str, str]) -> str:
    name, instance = column
    unit = "_per_second" if BY_NAME[name].counter else ""
    shown = instances.get(instance, instance)
    return f"{name}{unit} {shown}" if shown else f"{name}{unit}"


def _cells(sample: Sample, columns: Sequence[Column]) -> Iterator[str]:
    for name, instance in columns:
        value = sample.values.get(name, {}).get(instance)
        yield "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
