"""Which GPUs a request gets.

Invariant: the charges on a GPU never exceed its memory, and a whole-GPU lease shares its GPU with nobody. All GPUs of a request are
distinct and on this server, each gives the same amount of memory, and a fraction is of the smallest GPU chosen. What is given counts no
more than the allowance of whoever asks: a whole GPU counts as one, a partition as its fraction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bitfusion_core import filters
from bitfusion_core.models import Gpu, LeasedGpu, LeaseRequest, ServerFacts

UNLIMITED = math.inf
_ROUNDING = 1e-6  # ten partitions of 0.1 are one GPU


@dataclass(frozen=True)
class GpuState:
    """A GPU and what is taken of it. `used_mib` may exceed the memory only where a reservation has been laid over it."""

    gpu: Gpu
    used_mib: int = 0
    leases: int = 0

    @property
    def free_mib(self) -> int:
        """Memory that can still be given away."""
        return max(0, self.gpu.memory_mib - self.used_mib)

    @property
    def untouched(self) -> bool:
        """Nobody has a part of it."""
        return self.used_mib == 0 and self.leases == 0


@dataclass(frozen=True)
class Inventory:
    """A server at one moment. `reserve_mib` of each partition belongs to the driver's own context. One that does not accept is drained."""

    server: ServerFacts
    gpus: tuple[GpuState, ...]
    reserve_mib: int = 0
    server_id: str = ""
    accepting: bool = True

    def charged(self, charges: Iterable[LeasedGpu]) -> Inventory:
        """The same server with these shares taken as well."""
        taken: dict[str, list[int]] = {}
        for share in charges:
            taken.setdefault(share.uuid, []).append(share.charge_mib)
        return self._with(tuple(_taken(state, taken.get(state.gpu.uuid)) for state in self.gpus))

    def released(self, charges: Iterable[LeasedGpu]) -> Inventory:
        """The same server after these shares, which were taken, have come back."""
        back: dict[str, list[int]] = {}
        for share in charges:
            back.setdefault(share.uuid, []).append(share.charge_mib)
        return self._with(tuple(_returned(state, back.get(state.gpu.uuid)) for state in self.gpus))

    def emptied(self) -> Inventory:
        """The same server with nothing taken."""
        return self._with(tuple(GpuState(state.gpu) for state in self.gpus))

    def _with(self, gpus: tuple[GpuState, ...]) -> Inventory:
        return Inventory(self.server, gpus, self.reserve_mib, self.server_id, self.accepting)


def _taken(state: GpuState, charges_mib: list[int] | None) -> GpuState:
    if charges_mib is None:
        return state
    return GpuState(state.gpu, state.used_mib + sum(charges_mib), state.leases + len(charges_mib))


def _returned(state: GpuState, charges_mib: list[int] | None) -> GpuState:
    if charges_mib is None:
        return state
    return GpuState(state.gpu, state.used_mib - sum(charges_mib), state.leases - len(charges_mib))


@dataclass(frozen=True)
class Placement:
    """The request fits now, here."""

    gpus: tuple[LeasedGpu, ...]
    memory_mib: int
    fraction: float
    server_id: str = ""

    @property
    def gpu_share(self) -> float:
        """What it counts against a quota of GPUs."""
        return self.fraction * len(self.gpus)


@dataclass(frozen=True)
class Wait:
    """The request fits when others have left."""

    reason: str


@dataclass(frozen=True)
class Never:
    """The request does not fit even into the empty server."""

    reason: str


Decision = Placement | Wait | Never


def place(request: LeaseRequest, inventory: Inventory, allowance: float = UNLIMITED) -> Decision:
    """Best fit that keeps whole GPUs free, or why not now, or why never."""
    plan = cheapest(request, inventory, allowance)
    if plan is not None and plan.missing_mib == 0:
        return plan.placement
    never = impossible(request, inventory)
    return never if never is not None else Wait(shortage(request, inventory))


def impossible(request: LeaseRequest, inventory: Inventory) -> Never | None:
    """Why the request cannot even fit into the empty server, or None if it can."""
    plan = cheapest(request, inventory.emptied())
    return None if plan is not None and plan.missing_mib == 0 else Never(_impossibility(request, inventory))


@dataclass(frozen=True)
class Plan:
    """A choice of GPUs; the smaller `cost`, the better. It can be granted when nothing is missing."""

    placement: Placement
    missing_mib: int
    cost: tuple[int, ...]


def cheapest(request: LeaseRequest, inventory: Inventory, allowance: float = UNLIMITED) -> Plan | None:
    """The cheapest choice over all possible sizes of the smallest GPU in it; what is missing has still to be given back by others."""
    matching: Sequence[GpuState] = inventory.gpus
    if request.filters:
        matching = [state for state in matching if filters.matches(request.filters, inventory.server, state.gpu)]
    plans = (_plan(request, matching, smallest_mib, inventory) for smallest_mib in {s.gpu.memory_mib for s in matching})
    allowed = (plan for plan in plans if plan is not None and within(plan.placement.gpu_share, allowance))
    return min(allowed, key=lambda plan: plan.cost, default=None)


def within(gpu_share: float, allowance: float) -> bool:
    """Does an allowance cover this many GPUs?"""
    return gpu_share <= allowance + _ROUNDING


def charge_mib(request: LeaseRequest, size_mib: int, reserve_mib: int) -> int | None:
    """What a GPU of this size gives to the request when it is the smallest; None if it cannot."""
    share = _share(request, size_mib, reserve_mib)
    return None if share is None else share.memory_mib if share.charge_mib is None else share.charge_mib


def _plan(request: LeaseRequest, states: Sequence[GpuState], smallest_mib: int, inventory: Inventory) -> Plan | None:
    """The cheapest choice whose smallest GPU has exactly this size."""
    share = _share(request, smallest_mib, inventory.reserve_mib)
    chosen = _choose(request.gpus, states, smallest_mib, share) if share is not None else None
    if share is None or chosen is None:
        return None
    missing_mib = sum(share.missing(state) for state in chosen)
    cost = (
        missing_mib,
        sum(state.untouched for state in chosen),
        sum(max(0, state.free_mib - share.charge(state.gpu)) for state in chosen),
        sum(state.gpu.memory_mib for state in chosen),
    )
    leased = tuple(
        LeasedGpu(s.gpu.index, s.gpu.uuid, s.gpu.name, share.memory_mib, share.charge(s.gpu))
        for s in sorted(chosen, key=lambda state: state.gpu.index)
    )
    fraction = 1.0 if request.whole else request.fraction or share.memory_mib / smallest_mib
    return Plan(Placement(leased, share.memory_mib, fraction, inventory.server_id), missing_mib, cost)


@dataclass(frozen=True)
class _Share:
    """What each GPU must give: `memory_mib` for the application, `charge_mib` in the books (None: all of it)."""

    memory_mib: int
    charge_mib: int | None

    def charge(self, gpu: Gpu) -> int:
        return gpu.memory_mib if self.charge_mib is None else self.charge_mib

    def missing(self, state: GpuState) -> int:
        if self.charge_mib is None and not state.untouched:
            return max(1, state.used_mib)
        return max(0, self.charge(state.gpu) - state.free_mib)


def _share(request: LeaseRequest, smallest_mib: int, reserve_mib: int) -> _Share | None:
    """A fraction includes the context of the driver, so that two halves always fit; MB are what the application gets, without it."""
    if request.whole:
        return _Share(smallest_mib, None)
    if request.memory_mib is not None:
        memory_mib, charge_mib = request.memory_mib, request.memory_mib + reserve_mib
    else:
        charge_mib = int(smallest_mib * (request.fraction or 1.0))
        memory_mib = charge_mib - reserve_mib
    return _Share(memory_mib, charge_mib) if memory_mib > 0 and charge_mib <= smallest_mib else None


def _choose(count: int, states: Sequence[GpuState], smallest_mib: int, share: _Share) -> list[GpuState] | None:
    def preference(state: GpuState) -> tuple[int, ...]:
        return (share.missing(state), state.untouched, state.free_mib, state.gpu.memory_mib, state.gpu.index)

    ranked = sorted((state for state in states if state.gpu.memory_mib >= smallest_mib), key=preference)
    chosen = ranked[:count]
    if len(chosen) < count or count < 1:
        return None
    if all(state.gpu.memory_mib != smallest_mib for state in chosen):
        chosen[-1] = next(state for state in ranked if state.gpu.memory_mib == smallest_mib)
    return chosen


def _impossibility(request: LeaseRequest, inventory: Inventory) -> str:
    wanted = f"{request.gpus} GPU{'s' if request.gpus != 1 else ''} requested"
    total = len(inventory.gpus)
    matching = [state.gpu for state in inventory.gpus if filters.matches(request.filters, inventory.server, state.gpu)]
    if request.gpus > total:
        return f"{wanted}, the server has {total}"
    if request.gpus > len(matching):
        return f"{wanted}, {len(matching)} of the server's {total} match the filters"
    largest_mib = sorted((gpu.memory_mib for gpu in matching), reverse=True)[request.gpus - 1]
    if request.memory_mib is not None:
        reserved = f" ({inventory.reserve_mib} MiB of them kept for the driver)" if inventory.reserve_mib else ""
        return f"{wanted} with {request.memory_mib} MiB each, the server can give {largest_mib} MiB{reserved}"
    return f"a fraction of {request.fraction:g} of {largest_mib} MiB leaves no memory for the application"


def shortage(request: LeaseRequest, inventory: Inventory) -> str:
    """Why the request has to wait for others on this server."""
    return wanting(request, sum(1 for _ in _fitting(request, inventory)))


def wanting(request: LeaseRequest, have: int, where: str = "") -> str:
    """What is needed and how much of it there is."""
    plural = "s" if request.gpus != 1 else ""
    if request.whole:
        return f"{request.gpus} whole GPU{plural} needed, {have} free{where}"
    amount = f"{request.memory_mib} MiB" if request.memory_mib is not None else f"{request.fraction:g} of the memory"
    return f"{request.gpus} GPU{plural} with {amount} free needed, {have} available{where}"


def _fitting(request: LeaseRequest, inventory: Inventory) -> Iterator[GpuState]:
    """GPUs that could serve a request for one of them right now."""
    for state in inventory.gpus:
        share = _share(request, state.gpu.memory_mib, inventory.reserve_mib)
        if share is not None and share.missing(state) == 0 and filters.matches(request.filters, inventory.server, state.gpu):
            yield state
