"""The compiler process: ``python -m native.ptx.service``, started by the simulated driver, talking on stdin and stdout.

A message is ``u32 header length, u32 payload length`` (little-endian), a header of text lines and a payload of bytes.

==========================  =======================================================================================
request                     answer
==========================  =======================================================================================
``scan HASH LENGTH…``       ``ok``, then a line per kernel and per global; payload: initial values one after the other
``check HASH``              ``ok``: nothing is wrong with any kernel. ``unknown``: send again as ``check HASH LENGTH…`` with the
                            texts as payload
``compile HASH ENTRY``      ``ok STATIC_SHARED LOCAL REGISTERS FIBERS``; payload: the object. ``unknown``: as above
(either)                    ``error KIND`` and the message on the next lines
==========================  =======================================================================================

The process ends when its input ends or its parent is gone.
"""

from __future__ import annotations

import os
import select
import struct
import sys
import traceback
from collections.abc import Iterator
from io import RawIOBase

from native.ptx.errors import PtxError
from native.ptx.kernel import KernelCompiler
from native.ptx.linker import Program
from native.ptx.module import Function, Module, Variable

_PREFIX = struct.Struct("<II")
_KEPT_PROGRAMS = 64


class Service:
    """Answers requests; keeps the programs it was shown, newest last."""

    def __init__(self) -> None:
        self.programs: dict[str, Program] = {}

    def answer(self, header: str, payload: bytes) -> tuple[str, bytes]:
        """One request's answer; what is wrong with the PTX becomes an error answer, never an exception."""
        verb, *arguments = header.split("\n", maxsplit=1)[0].split(" ")
        try:
            if verb == "scan":
                return describe(self._program(arguments[0], arguments[1:], payload))
            if verb == "check":
                return self._check(arguments, payload)
            if verb == "compile":
                return self._compile(arguments, payload)
        except PtxError as error:
            return f"error {error.kind}\n{error}", b""
        except Exception:  # noqa: BLE001 -- a fault of the compiler must reach the application as a message
            return f"error internal\nthe PTX compiler failed:\n{traceback.format_exc()}", b""
        return f"error internal\nunknown request '{verb}'", b""

    def _program(self, key: str, lengths: list[str], payload: bytes) -> Program:
        program = self.programs.pop(key, None)
        if program is None:
            program = Program(list(_split(payload, [int(length) for length in lengths])))
        self.programs[key] = program
        if len(self.programs) > _KEPT_PROGRAMS:
            del self.programs[next(iter(self.programs))]
        return program

    def _check(self, arguments: list[str], payload: bytes) -> tuple[str, bytes]:
        key, *lengths = arguments
        if not lengths and key not in self.programs:
            return "unknown", b""
        program = self._program(key, lengths, payload)
        for entry in program.entries:
            KernelCompiler(program, entry).compile()
        return "ok", b""

    def _compile(self, arguments: list[str], payload: bytes) -> tuple[str, bytes]:
        from native.ptx import codegen

        key, entry, *lengths = arguments
        if not lengths and key not in self.programs:
            return "unknown", b""
        program = self._program(key, lengths, payload)
        kernel = KernelCompiler(program, program.entries[int(entry)]).compile()
        code = codegen.assemble(kernel.ir)
        return f"ok {kernel.static_shared} {kernel.local_bytes} {kernel.registers} {int(kernel.fibers)}", code


def _split(payload: bytes, lengths: list[int]) -> Iterator[str]:
    at = 0
    for length in lengths:
        yield payload[at : at + length].decode("utf-8", "replace")
        at += length


def describe(program: Program) -> tuple[str, bytes]:
    """What the driver must know about a program before anything is compiled."""
    lines = ["ok"]
    initial = bytearray()
    lines += [_kernel_line(entry) for entry in program.entries]
    homes = {variable: module for module in program.modules for variable in module.variables.values()}
    for variable in program.globals:
        lines.append(_global_line(program, variable, homes[variable]))
        initial += variable.initial.data if variable.initial else b""
    return "\n".join(lines), bytes(initial)


def _triple(values: list[int]) -> list[int]:
    return [*values, 1, 1, 1][:3] if values else [0, 0, 0]


def _kernel_line(entry: Function) -> str:
    required = _triple(entry.directives.get("reqntid", []))
    threads = 1
    for extent in entry.directives.get("reqntid", entry.directives.get("maxntid", [1024])):
        threads *= extent
    cluster = _triple(entry.directives.get("reqnctapercluster", []))
    params = [str(number) for p in entry.params for number in (p.offset, p.size, p.align)]
    fields = [entry.param_bytes, threads, *required, *cluster, len(entry.params), *params]
    return f"kernel {entry.name} {' '.join(str(f) for f in fields)}"


def _global_line(program: Program, variable: Variable, home: Module) -> str:
    relocations = program.relocations(variable, home)
    initial = len(variable.initial.data) if variable.initial else 0
    fields = [
        int(variable.space == "const"),
        int(variable.visible),
        int(variable.managed),
        variable.size,
        variable.align,
        initial,
        len(relocations),
    ]
    fields += [number for relocation in relocations for number in relocation]
    return f"global {variable.name} {' '.join(str(f) for f in fields)}"


def _wait_for_input(descriptor: int, parent: int) -> None:
    """Waits for a request; ends the process when the parent has gone without closing its end (a fork kept it open)."""
    while not select.select([descriptor], [], [], 5.0)[0]:
        if os.getppid() != parent:
            raise EOFError


def main() -> None:
    """Serves requests until the parent is gone."""
    parent = os.getppid()
    os.closerange(3, 65536)  # descriptors the application left open for its children
    # Whatever prints by accident must not end up between two answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    reader = _Reader(os.fdopen(0, "rb", buffering=0))
    service = Service()
    try:
        while True:
            _wait_for_input(0, parent)
            header_length, payload_length = _PREFIX.unpack(reader.read(_PREFIX.size))
            header = reader.read(header_length).decode()
            text, data = service.answer(header, reader.read(payload_length))
            encoded = text.encode()
            answers.write(_PREFIX.pack(len(encoded), len(data)) + encoded + data)
            answers.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)


class _Reader:
    """Exact reads from an unbuffered pipe."""

    def __init__(self, stream: RawIOBase) -> None:
        self.stream = stream

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes; EOFError if the stream ends before."""
        parts = []
        while count:
            part = self.stream.read(count)
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


if __name__ == "__main__":
    main()
