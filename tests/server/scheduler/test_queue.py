"""First come, first served."""

from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from bitfusion_core.models import LeasedGpu, LeaseRequest
from bitfusion_server.scheduler.placement import Inventory, Never, Placement, place
from bitfusion_server.scheduler.queue import Entry, Queue, Status, advance, join
from tests.server.scheduler.strategies import inventories, requests, server_of


def queue_of(*requests_: LeaseRequest) -> Queue:
    """A queue in which these have arrived, in this order, and time out at 100."""
    return Queue(tuple(Entry(str(number), request, deadline=100.0) for number, request in enumerate(requests_)))


def test_order_place_and_reason() -> None:
    """The first who fits starts; the others learn their place and why they wait."""
    outcome = advance(queue_of(LeaseRequest(1), LeaseRequest(1), LeaseRequest(1)), server_of(16000), now=0.0)

    assert [entry.id for entry, _ in outcome.granted] == ["0"]
    reason = "1 whole GPU needed, 0 free"
    assert {"1": Status(1, reason), "2": Status(2, reason)} == outcome.waiting


def test_time_out() -> None:
    """Who has waited long enough gives up."""
    outcome = advance(queue_of(LeaseRequest(1), LeaseRequest(1)), server_of(16000), now=100.0)

    assert [entry.id for entry, _ in outcome.timed_out] == ["1"]
    assert outcome.queue.entries == ()


def test_impossible_request_leaves_the_queue() -> None:
    """A request that can never fit does not block the others."""
    outcome = advance(queue_of(LeaseRequest(5), LeaseRequest(1)), server_of(16000), now=0.0)

    assert [Never("5 GPUs requested, the server has 1")] == [never for _, never in outcome.refused]
    assert [entry.id for entry, _ in outcome.granted] == ["1"]


def test_small_requests_do_not_starve_a_large_one() -> None:
    """GPUs reserved for the head are not given to those behind it; what it does not need is."""
    server = server_of(16000, 16000, 16000)
    running = server.charged([LeasedGpu(0, "GPU-0", "", 4000, 4000), LeasedGpu(1, "GPU-1", "", 4000, 4000)])

    outcome = advance(queue_of(LeaseRequest(3), *[LeaseRequest(1, memory_mib=4000)] * 3), running, now=0.0)

    assert outcome.granted == ()


def test_others_pass_where_the_head_has_no_use() -> None:
    """A head that waits for another model holds nobody up."""
    server = server_of(16000, 24000)
    running = server.charged([LeasedGpu(1, "GPU-1", "", 24000, 24000)])

    outcome = advance(queue_of(LeaseRequest(1, memory_mib=20000), LeaseRequest(1)), running, now=0.0)

    assert [entry.id for entry, _ in outcome.granted] == ["1"]


@given(inventories, st.lists(st.tuples(requests, st.integers(1, 50), st.integers(0, 20)), max_size=40))
def test_everybody_starts_and_the_head_soon(server: Inventory, arrivals: list[tuple[LeaseRequest, int, int]]) -> None:
    """With leases that end, each possible request starts, and a head waits no longer than the leases running when it became head."""
    simulation = _Simulation(server)
    for number, (request, duration, pause) in enumerate(arrivals):
        simulation.arrive(str(number), request, duration)
        simulation.run_until(simulation.now + pause)
    simulation.run_until(float("inf"))

    possible = {str(n) for n, (request, _, _) in enumerate(arrivals) if not isinstance(place(request, server), Never)}
    assert possible == simulation.started


@given(inventories, st.lists(requests, max_size=12), st.lists(requests, max_size=8), requests)
def test_joining_is_advancing_with_one_more(
    server: Inventory, before: list[LeaseRequest], waiting: list[LeaseRequest], newcomer: LeaseRequest
) -> None:
    """The short way for a newcomer decides as the long way does."""
    busy = server
    for request in before:
        decision = place(request, busy)
        busy = busy.charged(decision.gpus) if isinstance(decision, Placement) else busy
    first = advance(queue_of(*waiting), busy, now=0.0)
    for _, placement in first.granted:
        busy = busy.charged(placement.gpus)
    entry = Entry("newcomer", newcomer, deadline=100.0)

    short = join(first.queue, entry, busy, now=0.0)
    long = advance(first.queue.joined(entry), busy, now=0.0)

    assert short.queue == long.queue
    assert (short.granted, short.refused, short.timed_out) == (long.granted, long.refused, long.timed_out)
    assert ("newcomer" in short.waiting) == ("newcomer" in long.waiting)
    assert "newcomer" not in short.waiting or short.waiting["newcomer"].place == long.waiting["newcomer"].place


class _Simulation:
    """Leases with durations on one server."""

    def __init__(self, server: Inventory) -> None:
        self.now = 0.0
        self.started: set[str] = set()
        self._server = server
        self._queue = Queue()
        self._durations: dict[str, int] = {}
        self._running: list[tuple[float, str, tuple[LeasedGpu, ...]]] = []
        self._head = ""
        self._head_limit = 0.0

    def arrive(self, name: str, request: LeaseRequest, duration: int) -> None:
        self._durations[name] = duration
        self._queue = self._queue.joined(Entry(name, request, deadline=float("inf")))
        self._advance()

    def run_until(self, end: float) -> None:
        while self._running and self._running[0][0] <= end:
            self.now = self._running[0][0]
            while self._running and self._running[0][0] == self.now:
                heapq.heappop(self._running)
            self._advance()
        self.now = max(self.now, end) if end != float("inf") else self.now

    def _advance(self) -> None:
        busy = self._server.charged(share for _, _, shares in self._running for share in shares)
        assert all(state.used_mib <= state.gpu.memory_mib for state in busy.gpus)
        outcome = advance(self._queue, busy, self.now)
        for entry, placement in outcome.granted:
            self.started.add(entry.id)
            heapq.heappush(self._running, (self.now + self._durations[entry.id], entry.id, placement.gpus))
        self._queue = outcome.queue
        self._watch_head()

    def _watch_head(self) -> None:
        head = self._queue.entries[0].id if self._queue.entries else ""
        if head != self._head:
            self._head = head
            self._head_limit = max((end for end, _, _ in self._running), default=self.now)
        assert not head or self.now < self._head_limit
