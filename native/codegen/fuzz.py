"""What frames of each row are made of, for the test that sends garbage to the handlers."""

from __future__ import annotations

from native.codegen.text import BANNER, NAMES, lines
from native.spec.model import Arg, Call, Kind

# Calls that stop a stream until somebody lets it go on.
_STOP_STREAMS = frozenset({"HostFunction", "cuGraphLaunch", "cuStreamWaitValue32_v2", "cuStreamWaitValue64_v2", "cuStreamBatchMemOp_v2"})
_ENUMERATORS = {
    Kind.VALUE: "kValue",
    Kind.DEVICE_POINTER: "kPointer",
    Kind.IN: "kOptional",
    Kind.INOUT: "kOptional",
    Kind.FOUND: "kName",
    Kind.IN_ARRAY: "kArray",
    Kind.IN_HANDLES: "kNames",
    Kind.OUT_ARRAY: "kRoom",
    Kind.IN_TEXT: "kText",
    Kind.IN_BYTES: "kBytes",
    **dict.fromkeys(NAMES, "kName"),
}


def fuzz_header(rows: list[Call]) -> str:
    """The rows' fields in the order of the wire."""
    served = [row for row in rows if row.name not in _STOP_STREAMS]
    fields = "\n".join(f"inline constexpr Field kFieldsOf{row.name}[] = {{ {', '.join(_fields(row))} }};" for row in served)
    table = "\n".join(f'  {{k{row.name}, "{row.name}", kFieldsOf{row.name}}},' for row in served)
    return lines(
        BANNER + "#pragma once",
        "#include <span>",
        '#include "bitfusion/product.h"',
        '#include "calls/rows.h"',
        '#include "interposer/headers.h"',
        "namespace bitfusion::fuzz {",
        "enum class FieldKind : uint8_t { kNone, kName, kValue, kPointer, kOptional, kArray, kNames, kRoom, kText, kBytes };",
        "// `size`: of the value or of one element; `tag`: of the kind of object.",
        "struct Field { FieldKind kind; size_t size; uint64_t tag; };",
        "struct RowFields { RowNumber number; const char* name; std::span<const Field> fields; };",
        fields,
        f"inline constexpr RowFields kRows[] = {{\n{table}\n}};",
        "}",
    )


def _fields(row: Call) -> list[str]:
    return [_field(arg) for arg in row.args if arg.kind in _ENUMERATORS] or ["{FieldKind::kNone, 0, 0}"]


def _field(arg: Arg) -> str:
    tag = arg.handle.tag if arg.handle else 0
    element = arg.ctype if arg.kind is Kind.VALUE else arg.element
    plain = arg.kind in (Kind.VALUE, Kind.IN, Kind.INOUT, Kind.IN_ARRAY, Kind.OUT_ARRAY)
    return f"{{FieldKind::{_ENUMERATORS[arg.kind]}, {f'sizeof({element})' if plain else 8}, {tag}}}"
