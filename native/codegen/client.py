"""The client's half: functions that write frames, entry points that check and forward, refusals."""

from __future__ import annotations

from native.codegen.text import ARRAYS, BANNER, NAMES, NULL_ARGUMENT, REFUSAL, header_parameters, lines, remote_parameter, result_of
from native.spec.model import HANDLE_KINDS, STREAM, Arg, Call, CallClass, Hand, Kind, Run, Scope
from native.spec.registry import numbers, spec_hash

_REQUIRED = frozenset({Kind.MINT, Kind.FOUND, Kind.OUT, Kind.INOUT, Kind.IN, Kind.OUT_ARRAY, Kind.IN_TEXT})
_WAITS = (Run.QUERY, Run.WAIT_STREAM, Run.WAIT_EVENT, Run.WAIT_CONTEXT)


def rows_header() -> str:
    """Row numbers, handle kinds and the spec hash, for both ends."""
    enumerators = "\n".join(f"  k{name} = {number}," for name, number in numbers().items())
    kinds = "\n".join(f"  {kind.name} = {kind.tag}," for kind in HANDLE_KINDS)
    digest = ", ".join(f"0x{byte:02x}" for byte in spec_hash())
    return lines(
        BANNER + "#pragma once",
        "#include <cstdint>",
        "namespace bitfusion {",
        f"enum RowNumber : uint16_t {{\n{enumerators}\n  kRowCount\n}};",
        f"enum class Handle : uint8_t {{\n{kinds}\n}};",
        f"inline constexpr uint8_t kSpecHash[32] = {{{digest}}};",
        "}  // namespace bitfusion",
    )


def remote_header(rows: list[Call]) -> str:
    """Declarations of the functions that write frames."""
    body = "\n".join(f"{_remote_signature(row)};" for row in rows)
    return lines(BANNER + "#pragma once", '#include "interposer/caller.h"', "namespace bitfusion::interposer::remote {", body, "}")


def remote_source(rows: list[Call]) -> str:
    """Definitions of the functions that write frames."""
    return lines(
        BANNER + '#include "calls/remote.h"',
        '#include "calls/rows.h"',
        '#include "interposer/coherent.h"',
        "namespace bitfusion::interposer::remote {",
        "\n".join(_remote_body(row) for row in rows),
        "}",
    )


def api_header(rows: list[Call]) -> str:
    """Declarations of what each exported symbol calls."""
    body = "\n".join(f"{result_of(row)} {row.name}({_api_parameters(row)});" for row in rows)
    return lines(BANNER + "#pragma once", '#include "interposer/headers.h"', "namespace bitfusion::interposer::api {", body, "}")


def api_source(rows: list[Call]) -> str:
    """Definitions of the entry points that need no hand: checks, then the frame; and the refusals."""
    body = [_api_body(row) for row in rows if row.call_class is CallClass.REFUSED or row.hand in (Hand.NONE, Hand.WORKER)]
    return lines(
        BANNER + '#include "calls/api.h"',
        '#include "calls/remote.h"',
        '#include "interposer/check.h"',
        '#include "interposer/coherent.h"',
        "namespace bitfusion::interposer::api {",
        "\n".join(body),
        "}",
    )


def _remote_signature(row: Call) -> str:
    parameters = "".join(f", {remote_parameter(arg)}" for arg in row.args)
    return f"{result_of(row)} {row.name}(const Caller& at_{parameters})"


def _remote_body(row: Call) -> str:
    result = result_of(row)
    sized = any(arg.kind in ARRAYS or arg.kind in (Kind.IN_TEXT, Kind.IN_BYTES) for arg in row.args)
    too_big = f"  if (bound_ > kMaxPayload) return {NULL_ARGUMENT[row.api]};" if sized else ""
    head = lines(
        f"{_remote_signature(row)} {{",
        _before_work(row),
        f"  const size_t bound_ = {' + '.join(_size(arg) for arg in row.args if _size(arg)) or '0'};",
        too_big,
        f"  transport::Frame frame_(*at_.link, k{row.name}, at_.context, bound_);",
        "".join(_put(arg) for arg in row.args),
    )
    if row.call_class is CallClass.ASYNC:
        return head + f"  return static_cast<{result}>(frame_.send());\n}}\n"
    return head + _call_and_read(row, result)


def _before_work(row: Call) -> str:
    stream = next((arg.name for arg in row.args if arg.handle is STREAM), "")
    if row.run is not Run.WORK or not stream:
        return ""
    return f"  if (CUresult error_ = coherent().before_work(at_, {stream})) return error_;"


def _call_and_read(row: Call, result: str) -> str:
    outs = [arg for arg in row.args if arg.kind in (Kind.OUT, Kind.OUT_ARRAY, Kind.INOUT, Kind.FOUND)]
    bulks = [arg.name for arg in row.args if arg.kind is Kind.BULK]
    reply = next((arg.name for arg in row.args if arg.kind is Kind.OUT_BYTES), "")
    target = f"&{reply}" if reply else "&reply_" if outs else "nullptr"
    plain = f"frame_.call({target})"
    send = f"{bulks[0]}.empty() ? {plain} : frame_.call_with_bulk({target}, {bulks[0]}.data(), {bulks[0]}.size())" if bulks else plain
    if not outs:
        return f"  return static_cast<{result}>({send});\n}}\n"
    return lines(
        "  transport::Reply reply_;",
        f"  const auto status_ = static_cast<{result}>({send});",
        f"  if (status_ != {result}{{}}) return status_;",
        "  wire::Reader in_ = reply_.in();",
        *(_get(arg) for arg in outs),
        f"  return in_.ok() ? {result}{{}} : static_cast<{result}>(transport::kLinkGone);",
        "}",
    )


def _size(arg: Arg) -> str:
    if arg.kind in NAMES or arg.kind is Kind.FOUND:
        return "8"
    if arg.kind in (Kind.VALUE, Kind.DEVICE_POINTER):
        return "8" if arg.kind is Kind.DEVICE_POINTER else f"sizeof({arg.ctype})"
    if arg.kind in (Kind.IN, Kind.INOUT):
        return f"sizeof({arg.element}) + 4"
    if arg.kind is Kind.IN_ARRAY:
        return f"4 + ({arg.name} ? ({arg.count}) * sizeof({arg.element}) : 0)"
    if arg.kind is Kind.IN_HANDLES:
        return f"4 + ({arg.name} ? ({arg.count}) * 8 : 0)"
    if arg.kind in (Kind.IN_TEXT, Kind.IN_BYTES):
        return f"4 + {arg.name}.size()"
    if arg.kind is Kind.OUT_ARRAY:
        return "4"
    return ""


def _put(arg: Arg) -> str:
    n = arg.name
    if arg.kind in NAMES or arg.kind is Kind.VALUE:
        return f"  frame_.out().put({n});\n"
    if arg.kind is Kind.DEVICE_POINTER:
        return f"  frame_.out().put((uint64_t){n});\n"
    if arg.kind is Kind.FOUND:
        return f"  frame_.out().put(*{n});\n"
    if arg.kind in (Kind.IN, Kind.INOUT):
        return f"  put_struct(frame_.out(), {n});\n"
    if arg.kind in (Kind.IN_ARRAY, Kind.IN_HANDLES):
        return f"  put_array(frame_.out(), {n}, {n} ? ({arg.count}) : 0);\n"
    if arg.kind in (Kind.IN_TEXT, Kind.IN_BYTES):
        return f"  frame_.out().blob({n}.data(), {n}.size());\n"
    if arg.kind is Kind.OUT_ARRAY:
        return f"  frame_.out().put(static_cast<uint32_t>({_room(arg)}));\n"
    return ""


def _room(arg: Arg) -> str:
    return f"{arg.name} ? ({arg.count}) : 0" if arg.nullable else arg.count


def _get(arg: Arg) -> str:
    if arg.kind is Kind.FOUND:
        return f"  *{arg.name} = in_.get<uint64_t>();"
    if arg.kind is Kind.INOUT:
        return f"  if ({arg.name}) *{arg.name} = in_.get<{arg.element}>();"
    if arg.kind is Kind.OUT:
        read = f"*{arg.name} = in_.get<{arg.element}>();"
        return f"  if ({arg.name}) {read}" if arg.nullable else f"  {read}"
    return f"  get_array(in_, {arg.name}, {_room(arg)});"


def _api_parameters(row: Call) -> str:
    parameters = header_parameters(row)
    if row.per_thread != "ptds":
        return parameters
    return "CUstream default_stream" + ("" if parameters == "void" else f", {parameters}")


def _api_body(row: Call) -> str:
    head = f"{result_of(row)} {row.name}({_api_parameters(row)}) {{"
    unused = "".join(f"  (void){arg.name};\n" for arg in row.args)
    if row.call_class is CallClass.REFUSED:
        stream = "  (void)default_stream;\n" if row.per_thread == "ptds" else ""
        return lines(
            head,
            unused.rstrip("\n"),
            stream.rstrip("\n"),
            f'  log_refusal("{row.name}", "{row.reason}");',
            f"  return {REFUSAL[row.api]};",
            "}",
        )
    return lines(
        head,
        _enter(row),
        *(_check(row, arg) for arg in row.args),
        _forward(row),
        "}",
    )


def _enter(row: Call) -> str:
    scope = {Scope.ANY: "kAny", Scope.INIT: "kInit", Scope.CONTEXT: "kContext"}[row.scope]
    reports = "true" if row.call_class is CallClass.SYNC else "false"
    return f"  Caller at_;\n  if (CUresult error_ = enter(Scope::{scope}, {reports}, &at_)) return error_;"


def _check(row: Call, arg: Arg) -> str:
    null = NULL_ARGUMENT[row.api]
    if arg.handle is STREAM and arg.kind is Kind.HANDLE:
        return f"  uint64_t {arg.name}_ = 0;\n  if (!name_stream(at_, {arg.name}, &{arg.name}_)) return CUDA_ERROR_INVALID_HANDLE;"
    if arg.kind in (Kind.HANDLE, Kind.DROP) and arg.handle:
        allowed = f"{arg.name} && " if arg.nullable else ""
        return (
            f"  const uint64_t {arg.name}_ = to_name({arg.name});\n"
            f"  if ({allowed}!handles().valid({arg.name}_, Handle::{arg.handle.name})) return {arg.handle.invalid};"
        )
    if arg.kind is Kind.IN_HANDLES and arg.handle:
        return f"  if (!valid_array({arg.name}, {arg.count}, Handle::{arg.handle.name})) return {null};"
    if arg.kind in _REQUIRED and not arg.nullable:
        return f"  if (!{arg.name}) return {null};"
    if arg.kind is Kind.IN_ARRAY and arg.required:
        return f"  if (!{arg.name} && ({arg.count}) != 0) return {null};"
    return ""


def _forward(row: Call) -> str:
    made = [arg for arg in row.args if arg.kind in (Kind.MINT, Kind.FOUND) and arg.handle]
    dropped = [arg for arg in row.args if arg.kind is Kind.DROP and arg.handle]
    passed = "".join(f", {_passed(arg)}" for arg in row.args)
    drops = [f"  handles().drop({arg.name}_);" for arg in dropped]
    call_ = f"remote::{row.name}(at_{passed})"
    if row.run in _WAITS:
        call_ = f"settle(at_, {call_}, {_waited(row)})"
    if not made:
        return lines(*drops, f"  return {call_};").rstrip("\n")
    return lines(
        *(_minted(arg) for arg in made),
        f"  const {result_of(row)} status_ = {call_};",
        *(_kept(arg) for arg in made),
        "  return status_;",
    ).rstrip("\n")


def _waited(row: Call) -> str:
    stream = next((f"{arg.name}_" for arg in row.args if arg.handle is STREAM), "0")
    return "Coherent::kEveryStream" if row.run is Run.WAIT_CONTEXT else stream


def _passed(arg: Arg) -> str:
    if arg.kind is Kind.FOUND:
        return f"&{arg.name}_"
    return f"{arg.name}_" if arg.kind in NAMES else arg.name


def _minted(arg: Arg) -> str:
    assert arg.handle
    owner = f"{arg.owner}_" if arg.owner else "at_.context" if arg.handle.in_context else "0"
    new = f"handles().mint(Handle::{arg.handle.name}, {owner})"
    if arg.kind is Kind.MINT:
        return f"  const uint64_t {arg.name}_ = {new};"
    return f"  const uint64_t {arg.name}_new_ = {new};\n  uint64_t {arg.name}_ = {arg.name}_new_;"


def _kept(arg: Arg) -> str:
    if arg.kind is Kind.MINT:
        return f"  keep_or_drop(status_, {arg.name}_, {arg.name});"
    return f"  keep_found(status_, {arg.name}_new_, {arg.name}_, {arg.name});"
