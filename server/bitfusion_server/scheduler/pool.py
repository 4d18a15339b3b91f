"""All servers and what is taken of them. A request goes to one server; which one is found through indexes, not by asking each.

State without I/O or clock. Holds are laid over what is taken: they keep GPUs for requests that wait first, and nobody else sees room there.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence

from bitfusion_core.models import LeasedGpu, LeaseRequest
from bitfusion_server.scheduler import placement
from bitfusion_server.scheduler.matches import Matches, Matching
from bitfusion_server.scheduler.placement import UNLIMITED, Inventory, Never, Placement, Plan, cheapest, shortage, wanting, within
from bitfusion_server.scheduler.shelf import Shelf, room_of

_COMPARED = 3  # servers whose exact costs are compared; the index has put the best first
_COMPARED_TO_HOLD = 4


class Pool:
    """Servers by id."""

    def __init__(self, servers: Iterable[Inventory] = ()) -> None:
        self._servers: dict[str, Inventory] = {}
        self._seen: dict[str, Inventory] = {}
        self._holds: dict[str, Placement] = {}
        self._shelves: dict[tuple[int, int], Shelf] = {}
        self._mixed: set[str] = set()
        self._matches = Matches()
        self.version = 0
        for server in servers:
            self.put(server)

    def __len__(self) -> int:
        return len(self._servers)

    def put(self, server: Inventory) -> None:
        """Add a server, or replace what is known of it: its GPUs, its settings, what is taken of it."""
        if server.server_id in self._servers:
            self._unindex(server.server_id)
        held = (share for hold in self._holds.values() if hold.server_id == server.server_id for share in hold.gpus)
        self._servers[server.server_id] = server
        self._seen[server.server_id] = server.charged(held)
        self._changed(server.server_id)

    def remove(self, server_id: str) -> None:
        """Forget a server and what was taken of it."""
        self._unindex(server_id)
        del self._servers[server_id], self._seen[server_id]
        self._changed(server_id)

    def server(self, server_id: str) -> Inventory:
        """A server as its leases leave it, without what is held."""
        return self._servers[server_id]

    def held(self, waiter: str) -> Placement | None:
        """What is kept for someone who waits."""
        return self._holds.get(waiter)

    def hold(self, waiter: str, placement: Placement) -> None:
        """Keep these GPUs for someone who waits."""
        self._holds[waiter] = placement
        self._see(placement.server_id, self._seen[placement.server_id].charged(placement.gpus))

    def drop(self, waiter: str) -> Placement | None:
        """Keep them no longer."""
        placement = self._holds.pop(waiter, None)
        if placement is not None and placement.server_id in self._seen:
            self._see(placement.server_id, self._seen[placement.server_id].released(placement.gpus))
        return placement

    def holdable(self, placement: Placement) -> bool:
        """Do these GPUs still exist, on a server that may start something?"""
        server = self._servers.get(placement.server_id)
        present = {state.gpu.uuid for state in server.gpus} if server is not None and server.accepting else set()
        return all(share.uuid in present for share in placement.gpus)

    def charge(self, server_id: str, shares: Sequence[LeasedGpu]) -> None:
        """These shares are taken."""
        self._servers[server_id] = self._servers[server_id].charged(shares)
        self._see(server_id, self._seen[server_id].charged(shares))

    def release(self, server_id: str, shares: Sequence[LeasedGpu]) -> None:
        """These shares have come back. Those of a server that is gone went with it."""
        if server_id in self._servers:
            self._servers[server_id] = self._servers[server_id].released(shares)
            self._see(server_id, self._seen[server_id].released(shares))

    def place(self, request: LeaseRequest, allowance: float = UNLIMITED, among: Collection[str] | None = None) -> Placement | None:
        """The best place for the request now, on all servers or on these."""
        groups: Iterable[Iterable[str]] = self._fitting(request, allowance)
        if among is not None:
            groups = [[server_id for server_id in among if self.has_room(request, server_id)]]
        plans = (plan for group in groups for plan in itertools.islice(self._fits(request, group, allowance), _COMPARED))
        return _best(plans)

    def reserve(self, request: LeaseRequest, allowance: float = UNLIMITED) -> Placement | None:
        """The GPUs a request that must wait is waiting for: about the least memory is still to be given back there."""
        groups = self._roomiest(request, allowance)
        return _best(plan for group in groups for plan in itertools.islice(self._plans(request, group, allowance), _COMPARED_TO_HOLD))

    def impossible(self, request: LeaseRequest) -> Never | None:
        """Why no server could serve the request even if it were empty, or None if one could."""
        if any(placement.impossible(request, server) is None for server in self._servers.values()):
            return None
        if not self._servers:
            return Never("there is no server")
        largest = max(self._servers.values(), key=lambda server: sum(state.gpu.memory_mib for state in server.gpus))
        reason = placement.impossible(request, largest) or Never("")
        return reason if len(self._servers) == 1 else Never(f"none of the {len(self._servers)} servers can serve it: {reason.reason}")

    def least_share(self, request: LeaseRequest) -> float:
        """What the request would count at least, on the GPUs where it counts least."""
        if request.whole:
            return float(request.gpus)
        if request.memory_mib is None:
            return request.gpus * (request.fraction or 1.0)
        return request.gpus * request.memory_mib / max(self._matching(request).largest_mib(request.gpus), request.memory_mib)

    def shortage(self, request: LeaseRequest) -> str:
        """Why the request has to wait."""
        accepting = [server for server in self._servers.values() if server.accepting]
        if not accepting:
            return "no server takes new applications now"
        if len(accepting) == 1:
            return shortage(request, self._seen[accepting[0].server_id])
        have = max((shelf.most(request) for shelf in self._shelves.values()), default=0)
        return wanting(request, have, " on the best server") if not request.filters else "no server that matches the filters has room"

    def has_room(self, request: LeaseRequest, server_id: str) -> bool:
        """Does a server seem to have room? A quick answer, to be followed by a careful one."""
        server = self._servers.get(server_id)
        if server is None or not server.accepting or not self._matching(request).enough(server_id, request.gpus):
            return False
        return server_id in self._mixed or self._shelf(server).has_room(request, server_id)

    def _fitting(self, request: LeaseRequest, allowance: float) -> Iterator[Iterable[str]]:
        """Servers that seem to have room, in groups of comparable ones, the best of each first."""
        yield from (shelf.fitting(request) for shelf in self._shelves.values() if within(shelf.gpu_share(request), allowance))
        yield sorted(self._mixed)

    def _roomiest(self, request: LeaseRequest, allowance: float) -> Iterator[Iterable[str]]:
        yield from (shelf.roomiest(request) for shelf in self._shelves.values() if within(shelf.gpu_share(request), allowance))
        yield sorted(self._mixed)

    def _plans(self, request: LeaseRequest, server_ids: Iterable[str], allowance: float) -> Iterator[Plan]:
        matching = self._matching(request)
        for server_id in server_ids:
            if matching.enough(server_id, request.gpus):
                plan = cheapest(request, self._seen[server_id], allowance)
                if plan is not None:
                    yield plan

    def _fits(self, request: LeaseRequest, server_ids: Iterable[str], allowance: float) -> Iterator[Plan]:
        return (plan for plan in self._plans(request, server_ids, allowance) if plan.missing_mib == 0)

    def _matching(self, request: LeaseRequest) -> Matching:
        return self._matches.of(request, self._servers)

    def _changed(self, server_id: str) -> None:
        self._matches = Matches()
        self.version += 1
        if server_id in self._servers:
            self._index(server_id)

    def _see(self, server_id: str, seen: Inventory) -> None:
        self._seen[server_id] = seen
        self._index(server_id)

    def _index(self, server_id: str) -> None:
        server = self._servers[server_id]
        if not server.accepting or not server.gpus:
            return
        if len({state.gpu.memory_mib for state in server.gpus}) == 1:
            self._shelf(server).put(server_id, room_of(self._seen[server_id]))
        else:
            self._mixed.add(server_id)

    def _unindex(self, server_id: str) -> None:
        self._mixed.discard(server_id)
        for shelf in self._shelves.values():
            shelf.remove(server_id)

    def _shelf(self, server: Inventory) -> Shelf:
        key = (server.gpus[0].gpu.memory_mib, server.reserve_mib)
        if key not in self._shelves:
            self._shelves[key] = Shelf(*key)
        return self._shelves[key]


def _best(plans: Iterable[Plan]) -> Placement | None:
    best = min(plans, key=lambda plan: plan.cost, default=None)
    return best.placement if best is not None else None
