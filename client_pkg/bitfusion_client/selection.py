"""Which server to ask for GPUs. Pure: request and offers in, servers in order of preference out.

The server's own scheduler decides; this only avoids asking a server that must refuse, or making a request wait where another server
could grant it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from bitfusion_client.inventory import Offer, OfferedGpu
from bitfusion_core import filters
from bitfusion_core.errors import NeverFits, NotAccepting
from bitfusion_core.models import LeaseRequest


def rank(request: LeaseRequest, offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """The servers that can ever satisfy the request, best first; an error when there are none."""
    able = [offer for offer in offers if _fits(request, offer, now=False)]
    if not able:
        raise NeverFits(_why_never(request, offers))
    accepting = [offer for offer in able if offer.accepting]
    if not accepting:
        raise NotAccepting(f"no new applications are accepted by {', '.join(str(offer.server) for offer in able)}")
    return tuple(sorted(accepting, key=lambda offer: _preference(request, offer)))


def _preference(request: LeaseRequest, offer: Offer) -> tuple[bool, int, int]:
    """Those that can grant at once first; among them the fullest, so that large requests keep finding room."""
    waits = not _fits(request, offer, now=True)
    free = sum(gpu.free_mib for gpu in offer.gpus)
    return (waits, offer.tasks if waits else free, offer.tasks)


def _fits(request: LeaseRequest, offer: Offer, now: bool) -> bool:
    usable = _matching(request, offer)
    if len(usable) < request.gpus:
        return False
    if request.whole:
        return sum(not now or gpu.leases == 0 for gpu in usable) >= request.gpus
    room = sorted((gpu.free_mib if now else gpu.gpu.memory_mib for gpu in usable), reverse=True)
    return room[request.gpus - 1] >= _needed_mib(request, usable)


def _matching(request: LeaseRequest, offer: Offer) -> list[OfferedGpu]:
    return [gpu for gpu in offer.gpus if filters.matches(request.filters, offer.facts, gpu.gpu)]


def _needed_mib(request: LeaseRequest, usable: Sequence[OfferedGpu]) -> int:
    """Memory of each GPU; a fraction is of the smallest one's."""
    if request.memory_mib is not None:
        return request.memory_mib
    return int(min(gpu.gpu.memory_mib for gpu in usable) * (request.fraction or 1.0))


def _why_never(request: LeaseRequest, offers: Sequence[Offer]) -> str:
    counts = {offer: len(_matching(request, offer)) for offer in offers}
    most = max(counts.values(), default=0)
    wanted = "that pass the filters" if request.filters else "at all"
    if most < request.gpus:
        return f"{request.gpus} GPUs of one server are asked for, and no server has more than {most} {wanted}"
    largest = max(gpu.gpu.memory_mib for offer in offers for gpu in _matching(request, offer))
    return f"{request.memory_mib} MiB on each of {request.gpus} GPUs are asked for, and the largest GPU has {largest} MiB"
