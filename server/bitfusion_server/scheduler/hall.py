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
        self.line.leave(entry_id)
        self.heads.pop(entry_id, None)
        return self.pool.drop(entry_id)

    def put_aside(self, entry: Entry) -> Placement | None:
        """Someone waits for its quota and no longer for GPUs; returns what was held for it."""
        self.line.step_aside(entry)
        self.heads.pop(entry.id, None)
        return self.pool.drop(entry.id)

    def name_heads(self) -> None:
        """Hold GPUs for those who stand first: one for a few servers, and for a small cluster the very first."""
        limit = max(1, len(self.pool) // _SERVERS_PER_HEAD)
        if len(self.heads) < min(limit, len(self.line)):
            for entry in self.line.entries():
                if not self.line.is_aside(entry):
                    self.heads.setdefault(entry.id)
                if len(self.heads) == limit:
                    break
        for entry_id in self.heads:
            if self.pool.held(entry_id) is None:
                self._hold_for(self.line.entry(entry_id))

    def over_quota(self, entry: Entry) -> bool:
        """Would it exceed its owner's quota wherever it was placed?"""
        return not within(self.pool.least_share(entry.request), self.quotas.allowance(entry.owner))

    def reason(self, entry: Entry) -> str:
        """Why an entry does not start now."""
        return self.quota_reason(entry.owner) if self.over_quota(entry) else self.pool.shortage(entry.request)

    def quota_reason(self, owner: str) -> str:
        """What an owner that is over its quota is told."""
        return f"{self.quotas.in_use(owner):g} of this client's quota of {self.quotas.quota(owner):g} GPUs are in use"

    def _hold_for(self, head: Entry) -> None:
        placement = self.pool.reserve(head.request, self.quotas.allowance(head.owner))
        if placement is not None:
            self.pool.hold(head.id, placement)
