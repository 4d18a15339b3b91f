"""The CUDA rows against the pinned headers."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

import pytest

from native.spec.model import Api, Arg, CallClass, call, code, fd, host, path, pid, value
from native.spec.registry import all_calls, calls, numbers
from tools.layout import cuda_toolkit

INCLUDE = cuda_toolkit() / "include"


@cache
def declared() -> dict[str, list[str]]:
    """Every entry point of cuda.h, per-thread variants included, with its parameters' types."""
    command = [sys.executable, "-m", "ziglang", "cc", "-E", "-P", "-D__CUDA_API_VERSION_INTERNAL", str(INCLUDE / "cuda.h")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.finditer(r"CUresult\s+(cu\w+)\s*\(([^;]*?)\)\s*;", text, re.DOTALL)
    return {match[1]: [normal(part) for part in match[2].split(",") if part.strip() not in ("", "void")] for match in found}


def normal(parameter: str) -> str:
    """A parameter's type without its name, in one spelling."""
    text = re.sub(r"\s+", " ", parameter).strip()
    text = re.sub(r"(\w+)$", "", text) if not text.endswith("*") else text
    return re.sub(r"\s*\*\s*", "*", text).strip()


@cache
def introductions() -> dict[str, list[tuple[int, str]]]:
    """Versions and suffixes under which cudaTypedefs.h knows each base name."""
    table: dict[str, list[tuple[int, str]]] = {}
    for header in ("cuda", "cudaProfiler", "cudaGL", "cudaEGL", "cudaVDPAU"):
        for match in re.finditer(r"PFN_(cu\w+?)_v(\d+)(?:_(pt[sd][sz]))?\)\(", (INCLUDE / f"{header}Typedefs.h").read_text()):
            table.setdefault(match[1], []).append((int(match[2]), match[3] or ""))
    return table


def test_every_entry_point_has_a_row() -> None:
    """Names, per-thread variants included, are those of the header, and no others."""
    symbols = {symbol for row in calls(Api.CUDA) for symbol in row.symbols}
    assert set(declared()) - symbols == set()
    elsewhere = symbols - set(declared())
    assert {re.sub(r"(_v\d)?(_pt[sd][sz])?$", "", symbol) for symbol in elsewhere} <= set(introductions())


def test_parameters_are_those_of_the_header() -> None:
    """Number and types of parameters agree."""
    for row in calls(Api.CUDA):
        if row.name in declared():
            assert [normal(arg.ctype + " x") for arg in row.args] == declared()[row.name], row.name


def test_introduction_versions_are_those_of_the_header() -> None:
    """Each variant says the version that cudaTypedefs.h gives it."""
    for row in calls(Api.CUDA):
        known = introductions()[re.sub(r"_v\d$", "", row.name)]
        assert (row.since, "") in known, row.name
        if row.per_thread:
            assert (row.per_thread_since, row.per_thread) in known, row.name


def test_enough_is_served() -> None:
    """Four in five entry points are answered by the client or the server; the others say why not."""
    rows = calls(Api.CUDA)
    assert sum(row.call_class is not CallClass.REFUSED for row in rows) >= 0.8 * len(rows)
    assert all(row.reason for row in rows if row.call_class is CallClass.REFUSED)


def test_row_numbers_are_given_once() -> None:
    """Every call that travels has a number, and a name in the list that no row bears any more keeps its line."""
    table = numbers()
    assert len(set(table.values())) == len(table)
    assert {row.name for row in all_calls() if row.forwarded} <= set(table)


@pytest.mark.parametrize(
    "forbidden", [path("a"), pid("a"), fd("a", "int"), code("a", "CUhostFn"), host("a", "void *")], ids=lambda arg: arg.kind.value
)
def test_what_means_nothing_elsewhere_is_not_forwarded(forbidden: Arg) -> None:
    """A row that would send a path, process, descriptor or address of the client to the server cannot be made."""
    with pytest.raises(ValueError, match="cannot be forwarded"):
        call("cuLoad", 1000, CallClass.SYNC, value("n", "int"), forbidden)
