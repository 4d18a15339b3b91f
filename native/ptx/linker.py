"""Joins modules into one program: numbers functions and globals, resolves what one module declares and another defines."""

from __future__ import annotations

import re

from native.ptx.errors import InvalidPtx, Unresolved
from native.ptx.module import Exports, Function, Module, Variable, parse_module

_FUNCTION_ADDRESS = re.compile(r"\bmov\.[ub]64\s+[\w$%]+\s*,\s*([A-Za-z_$][\w$]*)\s*;")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")


class Program:
    """One or several linked modules."""

    def __init__(self, texts: list[str]) -> None:
        self.modules = [parse_module(text) for text in texts]
        self.exports = Exports()
        for module in self.modules:
            module.exports = self.exports
            self._export(module)
        self.functions = [f for module in self.modules for f in module.functions.values() if f.body is not None]
        for index, function in enumerate(self.functions):
            function.index = index
        self.entries = [f for f in self.functions if f.entry]
        self.globals = [v for module in self.modules for v in module.variables.values() if v.space in ("global", "const") and not v.extern]
        for index, variable in enumerate(self.globals):
            variable.index = index

    def _export(self, module: Module) -> None:
        for function in module.functions.values():
            if function.visible and function.body is not None:
                known = self.exports.functions.setdefault(function.name, function)
                if known is not function and function.entry:
                    raise InvalidPtx(f"the entry '{function.name}' is defined twice")
        for variable in module.variables.values():
            if variable.visible and not variable.extern:
                self.exports.variables.setdefault(variable.name, variable)

    def function(self, home: Module, name: str) -> Function | None:
        """The function that ``name`` means in module ``home``: its own, else another module's visible one."""
        own = home.functions.get(name)
        if own is None or own.body is not None:
            return own
        return self.exports.functions.get(name, own)

    def variable(self, home: Module, name: str) -> Variable | None:
        """The variable that ``name`` means in module ``home``."""
        own = home.variables.get(name)
        if own is None or not own.extern or own.space == "shared":
            return own
        return self.exports.variables.get(name, own)

    def addressable(self) -> list[Function]:
        """Functions whose address is taken, in code or in an initial value."""
        found: set[Function] = set()
        for module in self.modules:
            names = {reference.symbol for v in module.variables.values() if v.initial for reference in v.initial.references}
            for function in module.functions.values():
                names.update(_FUNCTION_ADDRESS.findall(function.body or ""))
            found.update(f for name in names if (f := self.function(module, name)) is not None and f.body is not None and not f.entry)
        return sorted(found, key=lambda f: f.index)

    def named_in(self, function: Function) -> set[Function]:
        """Functions whose name occurs in the body of ``function``."""
        words = set(_WORD.findall(function.body or ""))
        return {f for word in words if (f := self.function(function.home, word)) is not None}

    def relocations(self, variable: Variable, home: Module) -> list[tuple[int, int, int]]:
        """(offset, index of the target global, addend) of a variable; addresses of functions are written into its bytes."""
        found = []
        for reference in variable.initial.references if variable.initial else []:
            target = self.variable(home, reference.symbol)
            function = self.function(home, reference.symbol)
            if target is not None and target.index >= 0:
                found.append((reference.offset, target.index, reference.addend))
            elif function is not None and variable.initial:
                address = function.address + reference.addend
                variable.initial.data[reference.offset : reference.offset + 8] = address.to_bytes(8, "little")
            else:
                raise Unresolved(
                    f"the initial value of '{variable.name}' names '{reference.symbol}', which is defined nowhere", variable.line
                )
        return found
