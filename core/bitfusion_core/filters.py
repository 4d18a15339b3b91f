"""`--filter key=value`: which servers and GPUs a request may use.

A key given several times means any of its values; different keys must all hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable

from bitfusion_core.errors import InvalidValue, UnknownFilterKey
from bitfusion_core.models import Gpu, ServerFacts

Filters = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class FilterKey:
    """One row: `matches(server, gpu, value)` is false for a GPU the value excludes; `valid` refuses a value that cannot mean anything."""

    name: str
    help: str
    matches: Callable[[ServerFacts, Gpu, str], bool]
    valid: Callable[[str], bool] = bool


def _same_version(actual: str, wanted: str) -> bool:
    """`13` and `13.0` match 13.0.2: a version is matched by its leading parts."""
    return actual == wanted or actual.startswith(wanted + ".")


def _is_boolean(value: str) -> bool:
    return value.lower() in ("true", "false")


def _is_decimal(value: str) -> bool:
    return value.isascii() and value.isdigit()


KEYS: dict[str, FilterKey] = {
    key.name: key
    for key in (
        FilterKey("server.addr", "address of the server", lambda s, _, v: v in (s.address, *s.addresses)),
        FilterKey("server.hostname", "host name of the server", lambda s, _, v: s.hostname.lower() == v.lower()),
        FilterKey("server.has-rdma", "true or false: RDMA on the server", lambda s, _, v: s.has_rdma is (v.lower() == "true"), _is_boolean),
        FilterKey("server.cuda-version", "CUDA version of the server, for example 13.0", lambda s, _, v: _same_version(s.cuda_version, v)),
        FilterKey("server.driver-version", "driver version, for example 580.65.06", lambda s, _, v: _same_version(s.driver_version, v)),
        FilterKey("device.id", "index or UUID of the GPU", lambda _, g, v: v in (str(g.index), g.uuid)),
        FilterKey("device.name", "part of the GPU's name, for example Tesla", lambda _, g, v: v.lower() in g.name.lower()),
        FilterKey("device.phy-memory", "physical memory of the GPU in MiB", lambda _, g, v: g.memory_mib == int(v), _is_decimal),
    )
}


def check(filters: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """The same filters, or an error that names the bad key or value."""
    checked: dict[str, tuple[str, ...]] = {}
    for name, values in filters.items():
        row = KEYS.get(name)
        if row is None:
            raise _unknown(name)
        checked[name] = tuple(values)
        for value in checked[name]:
            if not row.valid(value):
                raise InvalidValue(f"filter {name}={value}: the value must be {row.help}")
    return checked


def parse(items: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Filters from `key=value` texts, in the order given."""
    collected: dict[str, list[str]] = {}
    for item in items:
        name, separator, value = item.partition("=")
        if not separator:
            raise InvalidValue(f"filter {item!r} is not key=value", hint=_known())
        collected.setdefault(name.strip(), []).append(value.strip())
    return check(collected)


def matches(filters: Filters, server: ServerFacts, gpu: Gpu) -> bool:
    """May a request with these (checked) filters use this GPU?"""
    return all(any(KEYS[name].matches(server, gpu, value) for value in values) for name, values in filters.items())


def _unknown(name: str) -> UnknownFilterKey:
    import difflib

    near = difflib.get_close_matches(name, KEYS, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return UnknownFilterKey(f"unknown filter key {name!r}.{guess}", hint=_known())


def _known() -> str:
    return "Keys: " + ", ".join(KEYS) + "."
