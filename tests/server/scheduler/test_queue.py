"""First come, first served."""

from __future__ import annotations

import dataclasses
import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitfusion_core.models import LeaseRequest
from bitfusion_server.scheduler.line import Entry
from bitfusion_server.scheduler.placement import Inventory, Never, Placement, within
from bitfusion_server.scheduler.pool import Pool
from bitfusion_server.scheduler.queue import Outcome, Queue, Status
from bitfusion_server.scheduler.quota import Quotas
from tests.server.scheduler.strategies import clusters, requests, server_of

WHOLE = LeaseRequest(1)


class Desk:
    """A queue and what it has granted, by name."""

    def __init__(self, *servers: Inventory, quotas: Quotas | None = None) -> None:
        self.queue = Queue(Pool(servers), quotas)
        self.running: dict[str, tuple[str, Placement]] = {}
        self.timed_out: dict[str, str] = {}
        self.refused: dict[str, Never] = {}

    def join(self, name: str, request: LeaseRequest, owner: str = "ann", deadline: float = 100.0, now: float = 0.0) -> bool:
        """Has it started at once?"""
        self.note(self.queue.join(Entry(name, request, deadline, owner), now))
        return name in self.running

    def end(self, name: str, now: float = 0.0) -> None:
        """A lease ends."""
        owner, placement = self.running.pop(name)
        self.note(self.queue.release(owner, placement, now))

    def note(self, outcome: Outcome) -> None:
        """Remember what was decided."""
        self.running.update({entry.id: (entry.owner, placement) for entry, placement in outcome.granted})
        self.timed_out.update({entry.id: reason for entry, reason in outcome.timed_out})
        self.refused.update({entry.id: never for entry, never in outcome.refused})

    @property
    def waiting(self) -> dict[str, Status]:
        """Who waits and what they are told."""
        return {entry.id: status for entry, status in self.queue.waiting()}


def test_order_place_and_reason() -> None:
    """The first who fits starts; the others learn their place and why they wait, and move up."""
    desk = Desk(server_of(16000))

    assert desk.join("a", WHOLE)
    assert not desk.join("b", WHOLE)
    assert desk.queue.last() == Status(1, "1 whole GPU needed, 0 free")
    assert not desk.join("c", WHOLE)
    assert desk.waiting["c"].place == 2

    desk.end("a")
    assert set(desk.running) == {"b"}
    assert {"c": Status(1, "1 whole GPU needed, 0 free")} == desk.waiting


def test_time_out() -> None:
    """Who has waited long enough gives up, also in the middle of the queue; who wants no wait is told at once."""
    desk = Desk(server_of(16000))
    desk.join("a", WHOLE)
    desk.join("b", WHOLE, deadline=50.0)
    desk.join("c", WHOLE, deadline=10.0)
    desk.join("d", WHOLE, deadline=0.0)

    assert desk.queue.next_deadline == 10.0
    desk.note(desk.queue.expire(10.0))

    reason = "1 whole GPU needed, 0 free"
    assert {"d": reason, "c": reason} == desk.timed_out
    assert list(desk.waiting) == ["b"]


def test_impossible_request() -> None:
    """What can never fit is refused at once, and when the last GPU it could have is taken out."""
    desk = Desk(server_of(16000, 16000))
    desk.join("x", LeaseRequest(3))
    assert {"x": Never("3 GPUs requested, the server has 2")} == desk.refused

    desk.join("a", LeaseRequest(2))
    desk.join("b", LeaseRequest(2))
    desk.join("c", WHOLE)
    desk.queue.pool.put(server_of(16000))
    desk.note(desk.queue.reconsider(0.0))
    assert "b" in desk.refused
    assert "c" in desk.running


def test_small_requests_do_not_starve_a_large_one() -> None:
    """GPUs held for the head are not given to those behind it; what it does not need is."""
    desk = Desk(server_of(16000, 16000, 16000))
    desk.join("a", LeaseRequest(2))

    assert not desk.join("large", LeaseRequest(2))
    assert not desk.join("b", WHOLE)
    assert not desk.join("c", LeaseRequest(1, memory_mib=4000)) or desk.running["c"][1].gpus[0].index == 2

    desk.end("a")
    assert "large" in desk.running


def test_leaving_head_frees_what_was_held() -> None:
    """When the head cancels, those behind it start on what was kept for it."""
    desk = Desk(server_of(16000, 16000))
    desk.join("a", WHOLE)
    desk.join("large", LeaseRequest(2))
    assert not desk.join("b", WHOLE)

    desk.note(desk.queue.leave("large", 0.0))
    assert "b" in desk.running


def test_quota_counts_partitions_as_fractions() -> None:
    """A client with a quota of 1.5 has a whole GPU and a half; what is beyond waits, in nobody's way, until it gives something back."""
    desk = Desk(server_of(16000, 16000, 16000), quotas=Quotas(default=64.0, own={"ann": 1.5}))

    assert desk.join("a", WHOLE)
    assert desk.join("b", LeaseRequest(1, fraction=0.5))
    assert not desk.join("c", LeaseRequest(1, memory_mib=1))
    assert desk.waiting["c"] == Status(1, "1.5 of this client's quota of 1.5 GPUs are taken")
    assert desk.join("d", WHOLE, owner="bob")

    desk.end("b")
    assert "c" in desk.running


def test_request_beyond_the_quota() -> None:
    """A request that exceeds the quota by itself is refused with the figures."""
    desk = Desk(server_of(16000, 16000), quotas=Quotas(default=1.5))

    desk.join("a", LeaseRequest(2))

    assert {"a": Never("2 GPUs requested, this client's quota is 1.5")} == desk.refused


def test_ten_tenths_are_one_gpu() -> None:
    """Rounding takes nothing from a quota."""
    desk = Desk(server_of(16000, 16000), quotas=Quotas(default=1.0))

    assert all(desk.join(str(number), LeaseRequest(1, fraction=0.1)) for number in range(10))
    assert not desk.join("one more", LeaseRequest(1, fraction=0.1))
    for number in range(10):
        desk.end(str(number))
    assert desk.queue.quotas.in_use("ann") == pytest.approx(0.1)
    desk.end("one more")
    assert desk.queue.quotas.in_use("ann") == 0.0


def test_raised_quota() -> None:
    """A larger quota lets those start who waited for it."""
    desk = Desk(server_of(16000, 16000), quotas=Quotas(default=1.0))
    desk.join("a", WHOLE)
    desk.join("b", WHOLE)

    desk.queue.quotas.set("ann", 2.0)
    desk.note(desk.queue.reconsider(0.0))

    assert set(desk.running) == {"a", "b"}


def test_drain() -> None:
    """Those who wait for a server that is drained go to another one; without another they wait until it accepts again."""
    desk = Desk(server_of(16000, server_id="s0"), server_of(16000, server_id="s1"))
    desk.join("a", WHOLE)
    desk.join("b", WHOLE)
    desk.join("c", WHOLE)
    drained = desk.running["a"][1].server_id
    pool = desk.queue.pool
    pool.put(dataclasses.replace(pool.server(drained), accepting=False))
    desk.note(desk.queue.reconsider(0.0))

    desk.end("a")
    assert "c" not in desk.running
    desk.end("b")
    assert desk.running["c"][1].server_id != drained

    desk.join("d", WHOLE)
    pool.put(dataclasses.replace(pool.server(drained), accepting=True))
    desk.note(desk.queue.reconsider(0.0))
    assert desk.running["d"][1].server_id == drained


def test_head_stays_head() -> None:
    """Who comes back from waiting for its quota does not go before the head, though it came earlier."""
    desk = Desk(server_of(16000), quotas=Quotas(default=1.0))
    desk.join("a", WHOLE)
    desk.join("b", WHOLE)
    desk.join("c", WHOLE, owner="bob")

    desk.end("a")
    assert set(desk.running) == {"c"}
    desk.end("c")
    assert set(desk.running) == {"b"}


def test_time_out_lets_the_owners_next_one_start() -> None:
    """When the first of those who wait for a quota gives up, the next is asked; so is whoever wants what was held for it."""
    desk = Desk(server_of(16000, 16000, 16000), quotas=Quotas(default=2.0))
    desk.join("a", WHOLE)
    desk.join("large", LeaseRequest(2), deadline=10.0)
    desk.join("b", WHOLE)
    assert set(desk.running) == {"a"}

    desk.note(desk.queue.expire(10.0))

    assert set(desk.running) == {"a", "b"}


def test_an_owner_does_not_starve_its_own_large_request() -> None:
    """Within a quota, too, it is first come, first served: small requests do not use up what a larger one waits for."""
    desk = Desk(server_of(16000, 16000, 16000), quotas=Quotas(default=2.0))
    desk.join("a", WHOLE)
    desk.join("b", WHOLE)
    desk.join("large", LeaseRequest(2))
    desk.join("c", WHOLE)

    desk.end("a")
    assert set(desk.running) == {"b"}
    desk.end("b")
    assert set(desk.running) == {"large"}


_arrivals = st.lists(st.tuples(requests, st.sampled_from(["ann", "bob", "eve"]), st.integers(1, 50), st.integers(0, 20)), max_size=30)


@settings(max_examples=60)
@given(clusters, _arrivals, st.sampled_from([0.5, 1.5, 2.0, 64.0]))
def test_everybody_starts_and_the_head_soon(
    servers: list[Inventory], arrivals: list[tuple[LeaseRequest, str, int, int]], quota: float
) -> None:
    """With leases that end, each possible request starts, quotas hold, and a head waits no longer than the leases running when it became head."""
    simulation = _Simulation(servers, quota)
    for number, (request, owner, duration, pause) in enumerate(arrivals):
        simulation.arrive(str(number), request, owner, duration)
        simulation.run_until(simulation.now + pause)
    simulation.run_until(float("inf"))

    assert {str(number) for number in range(len(arrivals))} == simulation.started | set(simulation.desk.refused)
    assert not simulation.desk.waiting


class _Simulation:
    """Leases with durations."""

    def __init__(self, servers: list[Inventory], quota: float) -> None:
        self.now = 0.0
        self.started: set[str] = set()
        self.desk = Desk(*servers, quotas=Quotas(quota))
        self._servers = servers
        self._quota = quota
        self._durations: dict[str, int] = {}
        self._ends: list[tuple[float, str]] = []
        self._head = ""
        self._head_limit = 0.0

    def arrive(self, name: str, request: LeaseRequest, owner: str, duration: int) -> None:
        self._durations[name] = duration
        self.desk.join(name, request, owner, float("inf"), self.now)
        self._check()

    def run_until(self, end: float) -> None:
        while self._ends and self._ends[0][0] <= end:
            self.now, name = heapq.heappop(self._ends)
            self.desk.end(name, self.now)
            self._check()
        self.now = max(self.now, end) if end != float("inf") else self.now

    def _check(self) -> None:
        for name in self.desk.running.keys() - self.started:
            self.started.add(name)
            heapq.heappush(self._ends, (self.now + self._durations[name], name))
        pool = self.desk.queue.pool
        for server in self._servers:
            assert all(0 <= state.used_mib <= state.gpu.memory_mib for state in pool.server(server.server_id).gpus)
        for owner in ("ann", "bob", "eve"):
            used = sum(placement.gpu_share for whose, placement in self.desk.running.values() if whose == owner)
            assert within(used, self._quota)
        self._nobody_waits_in_vain(pool)
        self._watch_hold(pool)

    def _nobody_waits_in_vain(self, pool: Pool) -> None:
        """What waits does not fit beside what is held, or its owner's quota is used up."""
        asked = set()
        for entry, status in self.desk.queue.waiting():
            if entry.shape not in asked and "quota" not in status.reason:
                assert pool.place(entry.request, self.desk.queue.quotas.allowance(entry.owner)) is None
            asked.add(entry.shape)

    def _watch_hold(self, pool: Pool) -> None:
        """What was running when the hold began has an end, and then the head starts."""
        head = next(iter(self.desk.queue.heads), "")
        if head != self._head:
            self._head = head
            self._head_limit = max((end for end, _ in self._ends), default=self.now)
        assert not head or (pool.held(head) is not None and self.now <= self._head_limit)
