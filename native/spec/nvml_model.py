"""NVML rows: how long an answer holds, and what is fetched before it is asked for.

nvidia-smi makes hundreds of calls, most of them for things that do not change. So an NVML call is a question with a cached answer: the first
question fetches all fixed facts of all GPUs in one round trip, the first question for a live value fetches the common live values likewise,
the first for a rare one the rare ones, and a later round refreshes everything that has been asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from native.spec.model import Api, Arg, Call, CallClass, Hand, HandleKind, Kind, Scope

NVML_DEVICE = HandleKind("kNvmlDevice", "nvmlDevice_t", 0, "NVML_ERROR_INVALID_ARGUMENT")
DEVICE = Arg("device", Kind.HANDLE, NVML_DEVICE.ctype, NVML_DEVICE.ctype, NVML_DEVICE)

# What the wrapper of a declared function cannot do for it, in words a user may read.
SHARED_BOARD = "would change a GPU that other sessions use"


Ahead = tuple[tuple[int | str, ...], ...]


class Life(Enum):
    """How long an answer is good."""

    FIXED = "kFixed"  # as long as the process
    LIVE = "kLive"  # a moment
    RARE = "kRare"  # a moment too, and only long reports ask for it


@dataclass(frozen=True)
class NvmlCall(Call):
    """An NVML entry point.

    `ahead`: values of the scalar arguments (C expressions) for which the answer is fetched before it is asked for.
    """

    life: Life = Life.LIVE
    ahead: Ahead = ()


def _question(life: Life, name: str, args: tuple[Arg, ...], ahead: Ahead, hand: Hand) -> NvmlCall:
    return NvmlCall(name, 0, CallClass.SYNC, args, Api.NVML, hand, scope=Scope.ANY, life=life, ahead=ahead)


def fixed(name: str, *args: Arg, ahead: Ahead = ((),), hand: Hand = Hand.NONE) -> NvmlCall:
    """A fact that does not change while the driver runs; fetched ahead unless `ahead` is empty."""
    return _question(Life.FIXED, name, args, ahead, hand)


def live(name: str, *args: Arg, ahead: Ahead = (), hand: Hand = Hand.NONE) -> NvmlCall:
    """A value that changes; fetched when asked for, or with the first live value if `ahead` says so."""
    return _question(Life.LIVE, name, args, ahead, hand)


def rare(name: str, *args: Arg, ahead: Ahead = ((),)) -> NvmlCall:
    """A value that changes and that only long reports show; fetched together with the other rare ones."""
    return _question(Life.RARE, name, args, ahead, Hand.NONE)


def local(name: str, *args: Arg, result: str = "") -> NvmlCall:
    """Answered in the client, by hand; it may ask questions."""
    return NvmlCall(name, 0, CallClass.LOCAL, args, Api.NVML, Hand.CLIENT, scope=Scope.ANY, result=result)


def refused(reason: str, names: str) -> tuple[NvmlCall, ...]:
    """Calls that answer "not supported", all for one reason; `names` separated by blanks."""
    return tuple(NvmlCall(name, 0, CallClass.REFUSED, (), Api.NVML, scope=Scope.ANY, reason=reason) for name in names.split())


def text(name: str) -> tuple[Arg, Arg]:
    """A buffer for a string and its length."""
    return Arg(name, Kind.OUT_TEXT, "char *", "char", count="length"), Arg("length", Kind.VALUE, "unsigned int", "unsigned int")


def listed(name: str, element: str, count: str) -> tuple[Arg, Arg]:
    """The length of a list and the room for it."""
    return Arg(count, Kind.OUT, "unsigned int *", "unsigned int"), Arg(name, Kind.OUT_LIST, f"{element} *", element, count=count)


def versioned(name: str, element: str) -> Arg:
    """A structure with version and size in its first word, set by the caller; in `ahead` that word is a value like any other."""
    return Arg(name, Kind.VERSIONED, f"{element} *", element)


def versioned_inout(name: str, element: str) -> Arg:
    """The same, with fields that say what is asked."""
    return Arg(name, Kind.VERSIONED_INOUT, f"{element} *", element)


def each(*values: int) -> Ahead:
    """`ahead` for a call with one scalar argument."""
    return tuple((value,) for value in values)
