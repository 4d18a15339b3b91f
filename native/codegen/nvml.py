"""NVML: entry points that ask questions, the worker's functions that answer them, refusals. See native/spec/nvml_model.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from native.codegen.text import BANNER, header_parameters, lines, result_of
from native.spec.model import Arg, Call, CallClass, Hand, Kind
from native.spec.nvml_model import NvmlCall

# What the worker needs of the server's NVML besides the functions it answers with.
_WORKER_NEEDS = ("nvmlInit_v2", "nvmlDeviceGetHandleByUUID")


def sources(rows: Iterable[Call]) -> dict[str, str]:
    """The generated files by name."""
    nvml = [row for row in rows if isinstance(row, NvmlCall)]
    asked = [row for row in nvml if row.call_class is CallClass.SYNC]
    return {
        "nvml_asked.h": _asked_header([row for row in asked if _exported_by_hand(row) and not _tangled(row)]),
        "nvml_questions.cpp": _questions(asked),
        "nvml_refusals.c": _refusals([row for row in nvml if row.call_class is CallClass.REFUSED]),
        "nvml_library.h": _library([row for row in nvml if row in asked or row.name in _WORKER_NEEDS]),
        "nvml_answers.cpp": _answers(asked),
    }


def _exported_by_hand(row: Call) -> bool:
    return row.hand in (Hand.CLIENT, Hand.BOTH)


def _tangled(row: Call) -> bool:
    """Question and answer are written by hand as a whole."""
    return any(arg.kind is Kind.OPAQUE for arg in row.args)


def _signature(row: Call) -> str:
    return f"{result_of(row)} {row.name}({header_parameters(row)})"


# --- The client's half -------------------------------------------------------------------------------------------------------------------


def _asked_header(rows: Sequence[Call]) -> str:
    body = "\n".join(f"{_signature(row)};" for row in rows)
    return lines(BANNER + "#pragma once", '#include "bitfusion/nvml_api.h"', "namespace bitfusion::interposer::nvml::asked {", body, "}")


def _questions(rows: Sequence[NvmlCall]) -> str:
    described = [row for row in rows if not _tangled(row)]
    by_hand = "\n".join(_question(row) for row in described if _exported_by_hand(row))
    exported = "\n".join(_question(row) for row in described if not _exported_by_hand(row))
    ahead = "\n".join(_ahead(row, values) for row in rows for values in row.ahead)
    return lines(
        BANNER + '#include "calls/nvml_asked.h"',
        '#include "calls/rows.h"',
        '#include "interposer/nvml/answers.h"',
        '#include "interposer/nvml/question.h"',
        "namespace bitfusion::interposer::nvml {",
        f"const Ahead kAhead[] = {{\n{ahead}\n}};",
        f"const size_t kAheadCount = {sum(len(row.ahead) for row in rows)};",
        f"namespace asked {{\n{by_hand}\n}}",
        "}  // namespace bitfusion::interposer::nvml",
        "using namespace bitfusion;",
        "using namespace bitfusion::interposer::nvml;",
        f'extern "C" {{\n{exported}\n}}',
    )


def _question(row: NvmlCall) -> str:
    device = ", device" if _has_device(row) else ""
    results = ", ".join(filter(None, (_result(row, arg) for arg in row.args)))
    return lines(
        f"{_signature(row)} {{",
        f"  Question question_(k{row.name}, Life::{row.life.value}{device});",
        *(_key(row, arg) for arg in row.args),
        f"  return question_.ask({results});",
        "}",
    )


def _has_device(row: Call) -> bool:
    return any(arg.kind is Kind.HANDLE for arg in row.args)


def _text_lengths(row: Call) -> set[str]:
    return {arg.count for arg in row.args if arg.kind is Kind.OUT_TEXT}


def _list_lengths(row: Call) -> set[str]:
    return {arg.count for arg in row.args if arg.kind is Kind.OUT_LIST}


def _key(row: Call, arg: Arg) -> str:
    """What tells this question from others about the same row and device."""
    if arg.kind is Kind.VALUE and arg.name not in _text_lengths(row):
        return f"  question_.value({arg.name});"
    if arg.kind is Kind.VERSIONED:
        return f"  question_.version({arg.name});"
    if arg.kind is Kind.VERSIONED_INOUT:
        return f"  question_.structure({arg.name});"
    return ""


def _result(row: Call, arg: Arg) -> str:
    """Where a part of the answer goes."""
    if arg.kind is Kind.OUT_TEXT:
        return f"Text{{{arg.name}, {arg.count}}}"
    if arg.kind is Kind.OUT_LIST:
        return f"List{{{arg.count}, {arg.name}}}"
    if arg.kind in (Kind.VERSIONED, Kind.VERSIONED_INOUT):
        return f"Structure{{{arg.name}}}"
    if arg.kind is Kind.OUT and arg.name not in _list_lengths(row):
        return f"Out{{{arg.name}, {'true' if arg.nullable else 'false'}}}"
    return ""


def _ahead(row: NvmlCall, values: tuple[int | str, ...]) -> str:
    device = "true" if _has_device(row) else "false"
    keys = ", ".join(str(value) for value in values)
    return f"    {{k{row.name}, Life::{row.life.value}, {device}, {len(values)}, {{{keys}}}}},"


def _refusals(rows: Sequence[Call]) -> str:
    """In C and without nvml.h: a refusal looks at none of its arguments."""
    body = "\n".join(f'REFUSE({row.name}, "{row.reason}")' for row in rows)
    return lines(
        BANNER + 'int bitfusion_nvml_refuse(const char* call, const char* reason) __attribute__((visibility("hidden")));',
        "#define REFUSE(name, reason) \\",
        '  __attribute__((visibility("default"))) int name(void); \\',
        "  int name(void) { return bitfusion_nvml_refuse(#name, reason); }",
        body,
    )


# --- The worker's half -------------------------------------------------------------------------------------------------------------------


def _library(rows: Sequence[Call]) -> str:
    fields = "\n".join(f"  {result_of(row)} (*{row.name})({header_parameters(row)}) = nullptr;" for row in rows)
    loads = "\n".join(f'  find("{row.name}", &to->{row.name});' for row in rows)
    return lines(
        BANNER + "#pragma once",
        '#include "bitfusion/nvml_api.h"',
        "namespace bitfusion::worker {",
        f"// The server's NVML; null where the installed version lacks a function.\nstruct NvmlLibrary {{\n{fields}\n}};",
        "// Fills the table; `find(name, where)` looks up one function.",
        f"template <typename Find>\nvoid load(NvmlLibrary* to, Find find) {{\n{loads}\n}}",
        "}",
    )


def _answers(rows: Sequence[NvmlCall]) -> str:
    cases = "\n".join(f"    case k{row.name}: return {'by_hand::' if _tangled(row) else ''}answer_{row.name};" for row in rows)
    return lines(
        BANNER + '#include "calls/rows.h"',
        '#include "worker/handlers/nvml/by_hand.h"',
        '#include "worker/handlers/nvml/asked.h"',
        "namespace bitfusion::worker::nvml {",
        "namespace {",
        "\n".join(_answer(row) for row in rows if not _tangled(row)),
        "}  // namespace",
        f"AnswerFunction find_answer(uint16_t row) {{\n  switch (row) {{\n{cases}\n    default: return nullptr;\n  }}\n}}",
        "}  // namespace bitfusion::worker::nvml",
    )


def _answer(row: NvmlCall) -> str:
    by_hand = row.hand in (Hand.WORKER, Hand.BOTH)
    function = f"by_hand::{row.name}" if by_hand else f"asked.library().{row.name}"
    passed = ", ".join((["asked"] if by_hand else []) + [_passed(row, arg) for arg in row.args])
    return lines(
        f"void answer_{row.name}(Asked& asked) {{",
        *(_declared(row, arg) for arg in row.args),
        f"  if (!asked.call({function}{', ' if passed else ''}{passed})) return;",
        *(_answered(row, arg) for arg in row.args),
        "}",
    )


def _declared(row: Call, arg: Arg) -> str:
    name = arg.name
    if arg.kind is Kind.HANDLE:
        return f"  nvmlDevice_t {name} = asked.device();"
    if arg.kind is Kind.VALUE:
        return "" if name in _text_lengths(row) else f"  const auto {name} = asked.value<{arg.ctype}>();"
    if arg.kind is Kind.OUT:
        start = "kListRoom" if name in _list_lengths(row) else ""
        return f"  {arg.element} {name}{{{start}}};"
    if arg.kind is Kind.OUT_TEXT:
        return f"  char {name}[kTextRoom] = {{}};"
    if arg.kind is Kind.OUT_LIST:
        return f"  std::vector<{arg.element}> {name}(kListRoom);"
    read = "version" if arg.kind is Kind.VERSIONED else "structure"
    return f"  {arg.element} {name}{{}};\n  asked.{read}(&{name});"


def _passed(row: Call, arg: Arg) -> str:
    if arg.kind is Kind.VALUE and arg.name in _text_lengths(row):
        return "kTextRoom"
    if arg.kind in (Kind.HANDLE, Kind.VALUE, Kind.OUT_TEXT):
        return arg.name
    return f"{arg.name}.data()" if arg.kind is Kind.OUT_LIST else f"&{arg.name}"


def _answered(row: Call, arg: Arg) -> str:
    if arg.kind is Kind.OUT:
        return "" if arg.name in _list_lengths(row) else f"  asked.out({arg.name});"
    if arg.kind is Kind.OUT_TEXT:
        return f"  asked.text({arg.name});"
    if arg.kind is Kind.OUT_LIST:
        return f"  asked.list({arg.name}, {arg.count});"
    if arg.kind in (Kind.VERSIONED, Kind.VERSIONED_INOUT):
        return f"  asked.out_structure({arg.name});"
    return ""
