"""Writes the parts of the simulated driver that follow from cuda.h alone.

usage: exports.py INCLUDE_DIR OUTPUT_DIR

refusals.c         a weak definition of every entry point, for those the driver does not implement: refused, logged once by name
thread_streams.cpp the _ptsz and _ptds variants: the base function with the per-thread default stream
procedures.inc     rows of the cuGetProcAddress table: name, introduction version, symbol, per-thread symbol
libcuda.map        the version script: the interface and nothing else
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

PER_THREAD = ("_ptsz", "_ptds")

# Declared in cudaProfiler.h, which the wheel does not carry; the runtime looks them up all the same.
PROFILER = {"cuProfilerStart": 4000, "cuProfilerStop": 4000}


class Function(NamedTuple):
    """One declaration of cuda.h, by its exported name."""

    name: str
    parameters: str
    arguments: str


class Procedure(NamedTuple):
    """One row of the cuGetProcAddress table."""

    name: str
    version: int
    symbol: str
    per_thread: str


def preprocess(include: pathlib.Path) -> str:
    """The header with every version of every function under its own name."""
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-E",
        "-P",
        "-D__CUDA_API_VERSION_INTERNAL",
        f"-I{include}",
        "-x",
        "c",
        str(include / "cudaTypedefs.h"),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def argument_names(parameters: str) -> str:
    """`int a, const char *b` -> `a, b`; no parameter of cuda.h is a function pointer written out or an array of arrays."""
    if parameters in ("", "void"):
        return ""
    names = []
    for parameter in parameters.split(","):
        match = re.search(r"(\w+)\s*(\[\w*\])?$", parameter.strip())
        if match is None:
            raise ValueError(f"cannot read the parameter '{parameter}'")
        names.append(match[1])
    return ", ".join(names)


def functions(text: str) -> dict[str, Function]:
    """Every declared function by name."""
    found = {}
    for name, raw in re.findall(r"\bCUresult\s+(cu[A-Z]\w*)\s*\(([^;{}]*)\)\s*;", text):
        parameters = " ".join(raw.split())
        found[name] = Function(name, parameters, argument_names(parameters))
    return found


def symbols_of(api: str, names: set[str]) -> list[str]:
    """The exported symbols of an API function, oldest first: cuX, cuX_v2, cuX_v3…"""
    found = [api] if api in names else []
    found += [f"{api}_v{i}" for i in range(2, 9) if f"{api}_v{i}" in names]
    return found


def procedures(text: str, names: set[str]) -> list[Procedure]:
    """Pairs the introduction versions that cudaTypedefs.h spells with the symbols, both oldest first."""
    versions: dict[str, set[int]] = {}
    for api, version in re.findall(r"\bPFN_(cu\w+?)_v(\d+)\)", text):
        versions.setdefault(api, set()).add(int(version))
    rows = []
    for api, introduced in sorted(versions.items()):
        symbols = symbols_of(api, names)
        # Some first versions have no typedef any more (or no symbol): the newest of both lists belong together.
        pairs = list(zip(sorted(introduced, reverse=True), reversed(symbols), strict=False))
        for version, symbol in reversed(pairs):
            variant = next((symbol + suffix for suffix in PER_THREAD if symbol + suffix in names), symbol)
            rows.append(Procedure(api, version, symbol, variant))
    rows += [Procedure(name, version, name, name) for name, version in PROFILER.items()]
    return sorted(rows)


def write_refusals(names: set[str], output: pathlib.Path) -> None:
    """Weak, so that an implementation elsewhere in the library replaces the refusal."""
    lines = ["int simgpu_refuse(const char* name);"]
    lines += [
        f'__attribute__((weak, visibility("default"))) int {name}(void) {{ return simgpu_refuse("{name}"); }}' for name in sorted(names)
    ]
    (output / "refusals.c").write_text("\n".join(lines) + "\n")


def write_thread_streams(table: dict[str, Function], output: pathlib.Path) -> set[str]:
    """Returns the names it defines."""
    lines = ['#include "simgpu/api.h"', '#include "simgpu/thread_state.h"', ""]
    defined = set()
    for name, function in sorted(table.items()):
        base = name[:-5]
        if not name.endswith(PER_THREAD) or base not in table:
            continue
        defined.add(name)
        lines.append(f"CUresult {name}({function.parameters}) {{ simgpu::PerThreadDefault scope; return {base}({function.arguments}); }}")
    (output / "thread_streams.cpp").write_text("\n".join(lines) + "\n")
    return defined


def main() -> None:
    """Write all four files."""
    include, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    text = preprocess(include)
    table = functions(text)
    names = set(table)
    per_thread = write_thread_streams(table, output)
    write_refusals(names - per_thread, output)
    rows = [f'{{"{row.name}", {row.version}, (void*){row.symbol}, (void*){row.per_thread}}},' for row in procedures(text, names)]
    (output / "procedures.inc").write_text("\n".join(rows) + "\n")
    exported = "".join(f"    {name};\n" for name in sorted(names | set(PROFILER)))
    (output / "libcuda.map").write_text("{\n  global:\n" + exported + "  local: *;\n};\n")


if __name__ == "__main__":
    main()
