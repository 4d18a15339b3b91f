"""The library's symbols: every entry point under every name, the version script, the table behind cuGetProcAddress."""

from __future__ import annotations

import re
from collections import defaultdict

from native.codegen.text import BANNER, header_parameters, lines, result_of
from native.spec.model import Api, Call


def exports_source(rows: list[Call]) -> str:
    """Definitions of the exported symbols."""
    body = "\n".join(text for row in rows for text in _symbols(row))
    return lines(
        BANNER + '#include "calls/api.h"',
        '#include "interposer/exports.h"',
        "using namespace bitfusion::interposer;",
        'extern "C" {',
        body,
        "}",
    )


def version_script(rows: list[Call]) -> str:
    """What the linker lets out; everything else stays inside other people's processes."""
    symbols = "\n".join(f"    {symbol};" for row in rows for symbol in row.symbols)
    return f"{{\n  global:\n{symbols}\n  local:\n    *;\n}};\n"


def procedures_source(rows: list[Call]) -> str:
    """Base name, introduction, symbol and per-thread symbol of every CUDA entry point, sorted by name and falling version."""
    versions: dict[str, list[Call]] = defaultdict(list)
    cuda = [row for row in rows if row.api is Api.CUDA]
    for row in cuda:
        versions[base_name(row.name)].append(row)
    declare = "\n".join(f"{result_of(row)} {symbol}({header_parameters(row)});" for row in cuda for symbol in row.symbols)
    entries = [_procedure(base, row) for base in sorted(versions) for row in sorted(versions[base], key=lambda row: -row.since)]
    return lines(
        BANNER + '#include "interposer/procedures.h"',
        '#include "interposer/headers.h"',
        f'extern "C" {{\n{declare}\n}}',
        "namespace bitfusion::interposer {",
        "const Procedure kProcedures[] = {\n" + "\n".join(entries) + "\n};",
        f"const size_t kProcedureCount = {len(entries)};",
        "}",
    )


def base_name(symbol: str) -> str:
    """The name by which cuGetProcAddress knows a symbol: without its version."""
    return re.sub(r"_v\d+$", "", symbol)


def _symbols(row: Call) -> list[str]:
    result = result_of(row)
    names = [arg.name for arg in row.args]
    plain, threaded = list(names), list(names)
    if row.per_thread == "ptds":
        plain, threaded = ["nullptr", *names], ["CU_STREAM_PER_THREAD", *names]
    elif row.per_thread == "ptsz":
        streams = [arg.name for arg in row.args if arg.ctype == "CUstream"]
        threaded = [f"per_thread({name})" if name in streams else name for name in names]
    variants = zip(row.symbols, (plain, threaded), strict=False)
    return [
        f'EXPORT {result} {symbol}({header_parameters(row)}) {{ return traced("{symbol}", api::{row.name}({", ".join(passed)})); }}'
        for symbol, passed in variants
    ]


def _procedure(base: str, row: Call) -> str:
    threaded = f"reinterpret_cast<void*>(&{row.symbols[1]})" if row.per_thread else "nullptr"
    return f'    {{"{base}", {row.since}, {row.per_thread_since}, reinterpret_cast<void*>(&{row.name}), {threaded}}},'
