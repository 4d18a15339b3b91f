"""Where requests wait: the pool they wait for, the quotas they count against, the line they stand in, and the heads of that line."""

from __future__ import annotations

from bitfusion_server.scheduler.line import Entry, Line
from bitfusion_server.scheduler.placement import Placement, within
from bitfusion_server.scheduler.pool import Pool
from bitfusion_server.scheduler.quota import Quotas

_SERVERS_PER_HEAD = 10


class Hall:
    """State shared by the queue and its rounds."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self.pool = pool
        self.quotas = quotas
        self.line = Line()
        self.heads: dict[str, None] = {}

    def take(self, owner: str, placement: Placement) -> None:
        """Something is granted, or was before a restart."""
        self.pool.charge(placement.server_id, placement.gpus)
        self.quotas.take(owner, placement.gpu_share)

    def dismiss(self, entry_id: str) -> Placement | None:
        """Someone leaves the line; returns what was held for it."""
        held = self.drop(entry_id)
        self.line.leave(entry_id)
        self.heads.pop(entry_id, None)
        return held

    def put_aside(self, entry: Entry) -> None:
        """Someone waits for its quota and no longer for GPUs."""
        self.line.step_aside(entry)
        self.heads.pop(entry.id, None)

    def hold(self, entry: Entry, placement: Placement) -> None:
        """Keep GPUs for a head. They count against its owner's quota, or the owner's later requests would use that up."""
        self.pool.hold(entry.id, placement)
        self.quotas.take(entry.owner, placement.gpu_share)

    def drop(self, entry_id: str) -> Placement | None:
        """Keep them no longer."""
        held = self.pool.drop(entry_id)
        if held is not None:
            self.quotas.give_back(self.line.entry(entry_id).owner, held.gpu_share)
        return held

    def name_head(self, entry: Entry) -> None:
        """Hold GPUs for someone who stands first, if not all holds are given: one for a few servers, and in a small cluster one."""
        if len(self.heads) < self._limit:
            self.heads.setdefault(entry.id)
            self._hold_for(entry)

    def name_heads(self) -> None:
        """Name as many heads as there may be."""
        if len(self.heads) < min(self._limit, len(self.line)):
            for entry in self.line.entries():
                if len(self.heads) == self._limit:
                    break
                if entry.id not in self.heads and not self.line.is_aside(entry):
                    self.name_head(entry)
        for entry_id in self.heads:
            if self.pool.held(entry_id) is None:
                self._hold_for(self.line.entry(entry_id))

    @property
    def _limit(self) -> int:
        return max(1, len(self.pool) // _SERVERS_PER_HEAD)

    def over_quota(self, entry: Entry) -> bool:
        """Would it exceed its owner's quota wherever it was placed?"""
        return not within(self.pool.least_share(entry.request), self.quotas.allowance(entry.owner))

    def reason(self, entry: Entry) -> str:
        """Why an entry does not start now."""
        if self.line.is_aside(entry) or (entry.id not in self.heads and self.over_quota(entry)):
            return f"{self.quotas.in_use(entry.owner):g} of this client's quota of {self.quotas.quota(entry.owner):g} GPUs are taken"
        return self.pool.shortage(entry.request)

    def _hold_for(self, head: Entry) -> None:
        placement = self.pool.reserve(head.request, self.quotas.allowance(head.owner))
        if placement is not None:
            self.hold(head, placement)
