"""Why a module or a kernel cannot be made ready; ``kind`` is what the C++ side maps to a CUDA error."""

from __future__ import annotations


class PtxError(Exception):
    """Base of everything that is the PTX text's fault; carries the line it was found at."""

    kind = "invalid"

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return where + str(self.args[0])


class InvalidPtx(PtxError):
    """The text is not PTX, or broken PTX."""


class Unsupported(PtxError):
    """Valid PTX (as far as we can tell) that the simulator cannot run; the message names the instruction or directive."""

    kind = "unsupported"


class Unresolved(PtxError):
    """A symbol that is declared but defined nowhere."""

    kind = "unresolved"
