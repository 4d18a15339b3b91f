"""The worker's half: the driver's function table, handlers that decode and call, what each frame touches."""

from __future__ import annotations

from native.codegen.text import BANNER, NAMES, header_parameters, lines, result_of
from native.spec.model import CONTEXT, EVENT, GREEN_CONTEXT, LIBRARY, MEMORY, STREAM, Api, Arg, Call, Hand, Kind, Run
from native.spec.registry import numbers

# Objects that hand-written handlers get by name, because they keep more about them than the driver's handle.
_BY_NAME = (LIBRARY, MEMORY)
_MEMORY_AREAS = frozenset({"array", "managed", "memory", "virtual_memory"})


def driver_header(rows: list[Call]) -> str:
    """A structure with one pointer for each entry point; null where the installed driver lacks it."""
    fields = "\n".join(f"  {result_of(row)} (*{row.name})({header_parameters(row)}) = nullptr;" for row in rows)
    return lines(
        BANNER + "#pragma once",
        '#include "interposer/headers.h"',
        "namespace bitfusion::worker {",
        f"struct CudaDriver {{\n{fields}\n}};",
        "// Fills the table from `library`, a handle of dlopen.\nvoid load(void* library, CudaDriver* driver);",
        "}",
    )


def driver_source(rows: list[Call]) -> str:
    """Loads the function table by name."""
    loads = "\n".join(f'  find(library, "{row.name}", &driver->{row.name});' for row in rows)
    return lines(
        BANNER + '#include "calls/cuda_driver.h"',
        '#include "worker/handlers/find_symbol.h"',
        "namespace bitfusion::worker {",
        f"void load(void* library, CudaDriver* driver) {{\n{loads}\n}}",
        "}",
    )


def calls_header(rows: list[Call]) -> str:
    """Declarations of the handlers' hand-written halves."""
    body = "\n".join(f"{result_of(row)} {row.name}(Call& call{_hand_parameters(row)});" for row in rows if _by_hand(row))
    return lines(
        BANNER + "#pragma once",
        '#include "worker/handlers/state.h"',
        "namespace bitfusion::worker::calls {",
        body,
        "}",
    )


def handlers_source(rows: list[Call]) -> str:
    """Handlers, key functions and the table by row number."""
    by_number = {numbers()[row.name]: row for row in rows}
    table = [_entry(by_number.get(number)) for number in range(max(by_number) + 1)]
    return lines(
        BANNER + '#include "calls/calls.h"',
        '#include "calls/rows.h"',
        '#include "worker/handlers/decode.h"',
        "namespace bitfusion::worker {",
        "namespace {",
        "\n".join(_handler(row) + _keys(row) for row in rows),
        "constexpr Row kRows[] = {\n" + "\n".join(table) + "\n};",
        "}  // namespace",
        "std::span<const Row> generated_rows() { return kRows; }",
        "}  // namespace bitfusion::worker",
    )


def _by_hand(row: Call) -> bool:
    return row.hand in (Hand.WORKER, Hand.BOTH)


def _entry(row: Call | None) -> str:
    if row is None:
        return "    {},"
    return f'    {{"{row.name}", CallClass::{row.run.value}, handle_{row.name}, keys_{row.name}}},'


def _hand_parameters(row: Call) -> str:
    return "".join(f", {_hand_type(arg)} {arg.name}" for arg in row.args if arg.kind is not Kind.OUT_BYTES)


def _hand_type(arg: Arg) -> str:
    if arg.kind in (Kind.MINT, Kind.DROP):
        return "uint64_t"
    if arg.kind in (Kind.FOUND, Kind.INOUT):
        return f"{arg.element}*"
    if arg.kind is Kind.HANDLE:
        return "uint64_t" if arg.handle in _BY_NAME else arg.ctype
    if arg.kind is Kind.OUT:
        return f"{arg.element}*"
    if arg.kind is Kind.IN:
        return f"const {arg.element}*"
    if arg.kind is Kind.IN_TEXT:
        return "const std::string&"
    if arg.kind in (Kind.IN_BYTES, Kind.BULK):
        return "wire::Bytes"
    if arg.kind in (Kind.IN_ARRAY, Kind.OUT_ARRAY, Kind.IN_HANDLES):
        return f"std::vector<{arg.element}>&"
    return arg.ctype


def _handler(row: Call) -> str:
    waits = row.run in (Run.WAIT_STREAM, Run.WAIT_EVENT, Run.WAIT_CONTEXT)
    if waits:
        return f"constexpr Handler handle_{row.name} = nullptr;\n"
    decode = [_decode(arg) for arg in row.args]
    resolve = [_resolve(row, arg) for arg in row.args]
    return lines(
        f"CUresult handle_{row.name}(Call& call_) {{",
        "  [[maybe_unused]] State& state_ = state_of(call_);",
        *decode,
        f'  if (!call_.args.ok()) throw BadFrame{{"{row.name}: arguments cut short"}};',
        *(_counted(row, arg) for arg in row.args),
        *resolve,
        _call(row),
        *(_after(row, arg) for arg in row.args),
        "  return status_;",
        "}",
    )


def _decode(arg: Arg) -> str:
    n = arg.name
    if arg.kind in NAMES or arg.kind is Kind.FOUND:
        return f"  const auto {n}_name_ = call_.args.get<uint64_t>();"
    if arg.kind is Kind.VALUE:
        return f"  [[maybe_unused]] const auto {n} = call_.args.get<{arg.ctype}>();"
    if arg.kind is Kind.DEVICE_POINTER:
        return f"  const auto {n} = ({arg.ctype})call_.args.get<uint64_t>();"
    if arg.kind in (Kind.IN, Kind.INOUT):
        return f"  Optional<{arg.element}> {n}(call_.args);"
    if arg.kind is Kind.IN_ARRAY:
        return f"  auto {n} = read_array<{arg.element}>(call_.args);"
    if arg.kind is Kind.IN_HANDLES:
        return f"  const auto {n}_names_ = read_array<uint64_t>(call_.args);"
    if arg.kind is Kind.OUT_ARRAY:
        return f"  auto {n} = room_for<{arg.element}>(call_.args);"
    if arg.kind is Kind.IN_TEXT:
        return f"  const std::string {n}(call_.args.text());"
    if arg.kind is Kind.IN_BYTES:
        return f"  const wire::Bytes {n} = call_.args.blob();"
    return ""


def _counted(row: Call, arg: Arg) -> str:
    """An array has as many elements as the argument that counts them says: the driver believes that one."""
    if row.api is Api.PRODUCT or arg.kind not in (Kind.IN_ARRAY, Kind.IN_HANDLES, Kind.OUT_ARRAY):
        return ""  # those of our own rows are looked at by hand
    count = f"({arg.count[1:]}.get() ? *{arg.count[1:]}.get() : 0)" if arg.count.startswith("*") else f"({arg.count})"
    size = f"{arg.name}{'_names_' if arg.kind is Kind.IN_HANDLES else ''}.size()"
    may_lack = arg.nullable if arg.kind is Kind.OUT_ARRAY else arg.kind is Kind.IN_ARRAY and not arg.required
    absent = f"{size} && " if may_lack else ""
    return f'  if ({absent}{size} != static_cast<size_t>({count})) throw BadFrame{{"{row.name}: {arg.name} is of another length"}};'


def _resolve(row: Call, arg: Arg) -> str:
    n = arg.name
    if arg.kind is Kind.HANDLE and arg.handle is STREAM:
        return f"  CUstream {n};\n  if (!state_.find_stream(call_.header, {n}_name_, &{n})) return CUDA_ERROR_INVALID_HANDLE;"
    if arg.kind in (Kind.HANDLE, Kind.DROP) and arg.handle:
        if _hand_type(arg) == "uint64_t" and _by_hand(row):
            return ""
        maybe = f"{n}_name_ && " if arg.nullable else ""
        return (
            f"  {arg.ctype} {n}{{}};\n"
            f"  if ({maybe}!state_.objects.find({n}_name_, Handle::{arg.handle.name}, &{n})) return {arg.handle.invalid};"
        )
    if arg.kind is Kind.IN_HANDLES and arg.handle:
        find = f"find_all<{arg.element}>(state_, {n}_names_, Handle::{arg.handle.name}, &{n})"
        return f"  std::vector<{arg.element}> {n};\n  if (!{find}) return {arg.handle.invalid};"
    if arg.extent:
        return (
            f"  const uint64_t {n}_extent_ = {arg.extent};\n"
            f"  if (!{n}_extent_) return CUDA_SUCCESS;\n"
            f"  if (!state_.owns({n}, {n}_extent_)) return CUDA_ERROR_INVALID_VALUE;"
        )
    if arg.kind is Kind.MINT and not _by_hand(row):
        return f"  {arg.element} {n}{{}};"
    if arg.kind in (Kind.OUT, Kind.FOUND):
        return f"  {arg.element} {n}{{}};"
    return ""


def _call(row: Call) -> str:
    if _by_hand(row):
        passed = "".join(f", {_hand_argument(arg)}" for arg in row.args if arg.kind is not Kind.OUT_BYTES)
        return f"  const auto status_ = static_cast<CUresult>(calls::{row.name}(call_{passed}));"
    passed = ", ".join(_driver_argument(arg) for arg in row.args)
    driver = f"state_.cuda.{row.name}"
    return f"  if (!{driver}) return CUDA_ERROR_NOT_SUPPORTED;\n  const auto status_ = static_cast<CUresult>({driver}({passed}));"


def _hand_argument(arg: Arg) -> str:
    if _hand_type(arg) == "uint64_t" and arg.kind in NAMES:
        return f"{arg.name}_name_"
    if arg.kind in (Kind.OUT, Kind.FOUND):
        return f"&{arg.name}"
    if arg.kind in (Kind.IN, Kind.INOUT):
        return f"{arg.name}.get()"
    if arg.kind is Kind.BULK:
        return "call_.bulk"
    return arg.name


def _driver_argument(arg: Arg) -> str:
    if arg.kind in (Kind.MINT, Kind.FOUND, Kind.OUT):
        return f"&{arg.name}"
    if arg.kind in (Kind.IN, Kind.INOUT):
        return f"{arg.name}.get()"
    if arg.kind in (Kind.IN_ARRAY, Kind.OUT_ARRAY, Kind.IN_HANDLES):
        return f"{arg.name}.data()"
    if arg.kind is Kind.IN_TEXT:
        return f"{arg.name}.c_str()"
    return arg.name


def _after(row: Call, arg: Arg) -> str:
    if _by_hand(row) and arg.kind in (Kind.MINT, Kind.DROP):
        return ""
    if arg.kind is Kind.MINT and arg.handle:
        return f"  if (status_ == CUDA_SUCCESS) state_.objects.add({_entry_of(arg)});"
    if arg.kind is Kind.FOUND and arg.handle:
        return f"  if (status_ == CUDA_SUCCESS) call_.reply.put(state_.objects.adopt({_entry_of(arg)}));"
    if arg.kind is Kind.INOUT:
        return f"  if (status_ == CUDA_SUCCESS && {arg.name}.get()) call_.reply.put(*{arg.name}.get());"
    if arg.kind is Kind.DROP and arg.handle:
        return f"  state_.objects.remove({arg.name}_name_, Handle::{arg.handle.name});"
    if arg.kind is Kind.OUT:
        return f"  if (status_ == CUDA_SUCCESS) call_.reply.put({arg.name});"
    if arg.kind is Kind.OUT_ARRAY:
        return f"  if (status_ == CUDA_SUCCESS) call_.reply.bytes({arg.name}.data(), {arg.name}.size() * sizeof({arg.element}));"
    return ""


def _entry_of(arg: Arg) -> str:
    assert arg.handle
    owner = f", {arg.owner}_name_" if arg.owner else ""
    return f"{arg.name}_name_, Handle::{arg.handle.name}, {arg.name}{owner}"


def _keys(row: Call) -> str:
    body = "".join(_key(row, arg) for arg in row.args)
    if row.everything:
        body += "  keys.everything();\n"
    if row.area in _MEMORY_AREAS and row.run is Run.BLOCKING:
        body += "  keys.other(kMemoryKey);\n"
    if row.after_work:
        body += "  keys.after_work();\n"
    signature = f"void keys_{row.name}([[maybe_unused]] const wire::FrameHeader& header, [[maybe_unused]] wire::Reader args, [[maybe_unused]] Keys& keys)"
    return f"{signature} {{\n{body}}}\n"


def _key(row: Call, arg: Arg) -> str:
    if arg.kind in NAMES or arg.kind is Kind.FOUND:
        return f"  {_name_key(row, arg)}\n"
    if arg.kind is Kind.IN_HANDLES:
        return "  for (uint64_t name : read_array<uint64_t>(args)) keys.other(name);\n"
    skip = _decode(arg).replace("call_.args", "args").strip()
    return f"  {skip}\n" if arg.kind is Kind.VALUE else f"  [[maybe_unused]] {skip}\n" if skip else ""


def _name_key(row: Call, arg: Arg) -> str:
    if arg.handle in (CONTEXT, GREEN_CONTEXT) and arg.kind is Kind.DROP:
        return "keys.ends(args.get<uint64_t>());"
    if arg.handle is CONTEXT and arg.kind is not Kind.HANDLE:
        return "args.get<uint64_t>(), keys.everything();"
    if arg.handle is STREAM:
        works = row.run in (Run.WORK, Run.WAIT_STREAM, Run.QUERY)
        return f"keys.{'work' if works else 'stream'}(args.get<uint64_t>());"
    if arg.handle is EVENT:
        return f"keys.{'wait_event' if row.run is Run.WAIT_EVENT else 'event'}(args.get<uint64_t>());"
    return "keys.other(args.get<uint64_t>());"
