"""Leases from the request to the end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any, cast

import pytest

from bitfusion_core.errors import NeverFits, NotAccepting, NotFound, QueueFull
from bitfusion_core.models import HOLD_LEASE, LeaseRequest
from bitfusion_core.settings import Settings
from bitfusion_server.sessions import service as service_module
from bitfusion_server.sessions.rules import SameForAll
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.sessions.ticket import Granted, Queued, Refused, Ticket, TimedOut
from bitfusion_server.store.base import Store
from tests.server.conftest import SERVER_ID, new_service, service_with, until
from tests.server.fakes import FakeDispatcher, FakeGpus

WHOLE = LeaseRequest(1, hold=HOLD_LEASE)
HALF = LeaseRequest(1, fraction=0.5, hold=HOLD_LEASE, command=("python", "x.py"), user="ann", hostname="laptop")


async def outcome(ticket: Ticket) -> Granted | TimedOut | Refused:
    """What becomes of a request."""
    async with asyncio.timeout(10):
        async for event in ticket.events():
            if not isinstance(event, Queued):
                return event
    raise AssertionError("the events ended without an outcome")


async def granted(service: LeaseService, request: LeaseRequest = WHOLE) -> str:
    """Request and get a lease."""
    result = await outcome(service.request(request, "TOKEN22"))
    assert isinstance(result, Granted)
    return result.active.lease.id


async def test_grant(service: LeaseService, dispatcher: FakeDispatcher, store: Store) -> None:
    """A grant is stored and admitted with the same key before the client hears of it."""
    lease_id = await granted(service, HALF)

    (active,) = await store.active_leases(SERVER_ID)
    admitted = dispatcher.sessions[lease_id]
    assert (active.lease.id, active.key.hex()) == (lease_id, admitted["key"])
    assert (admitted["gpus"], admitted["memory_bytes"], admitted["tls"]) == (["GPU-0"], 8000 << 20, True)
    assert len(active.key) == 32


async def test_whole_gpus_have_no_limit(service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """Who has the GPU alone is not confined."""
    lease_id = await granted(service)

    assert dispatcher.sessions[lease_id]["memory_bytes"] == 0


async def test_release(service: LeaseService, dispatcher: FakeDispatcher, store: Store) -> None:
    """After a release the workers are gone, the history has the lease, and its GPU can be had again."""
    first = await granted(service, LeaseRequest(2, hold=HOLD_LEASE))

    await service.release(first)

    assert dispatcher.revoked == [(first, "released")]
    assert [ended.lease.id for ended in (await store.ended_leases(10)).items] == [first]
    assert await store.active_leases(SERVER_ID) == ()
    await granted(service, LeaseRequest(2, hold=HOLD_LEASE))
    with pytest.raises(NotFound):
        await service.release(first)


async def test_gpus_are_not_given_again_while_a_worker_runs(service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """The next in the queue waits until the dispatcher has confirmed."""
    first = await granted(service, LeaseRequest(2, hold=HOLD_LEASE))
    waiting = service.request(WHOLE, "TOKEN22")
    dispatcher.may_revoke.clear()
    service.end(first, "test")
    await asyncio.sleep(0.05)
    assert not waiting.decided

    dispatcher.may_revoke.set()

    assert isinstance(await outcome(waiting), Granted)


async def test_place_and_reason(service: LeaseService) -> None:
    """A waiting client learns its place, the reason, and when the place changes."""
    await granted(service, LeaseRequest(2, hold=HOLD_LEASE))
    first, second = service.request(WHOLE, "T"), service.request(WHOLE, "T")
    events = second.events()
    before = await anext(events)
    assert isinstance(before, Queued)

    service.cancel(first)

    after = await anext(events)
    assert isinstance(after, Queued)
    assert (before.place, after.place) == (2, 1)
    assert before.reason == "1 whole GPU needed, 0 free"


async def test_time_out(service: LeaseService) -> None:
    """Who waits for a bounded time gives up then, with the reason."""
    await granted(service, LeaseRequest(2, hold=HOLD_LEASE))

    result = await outcome(service.request(LeaseRequest(1, timeout_s=0.05), "T"))

    assert isinstance(result, TimedOut)
    assert result.waited_s >= 0.05
    assert result.reason == "1 whole GPU needed, 0 free"


async def test_no_wait_at_all(service: LeaseService) -> None:
    """With a time-out of zero the answer is there at once, with its reason."""
    await granted(service, LeaseRequest(2, hold=HOLD_LEASE))

    result = await outcome(service.request(LeaseRequest(1, timeout_s=0), "T"))

    assert isinstance(result, TimedOut)
    assert result.reason == "1 whole GPU needed, 0 free"


async def test_never(service: LeaseService) -> None:
    """What can never fit is said at once."""
    with pytest.raises(NeverFits, match="3 GPUs requested, the server has 2"):
        service.request(LeaseRequest(3), "T")


async def test_limits(store: Store, dispatcher: FakeDispatcher) -> None:
    """A server that drains or whose queue is full says so."""
    draining = new_service(store, dispatcher, FakeGpus(16000), server__accepting=False)
    with pytest.raises(NotAccepting):
        draining.request(WHOLE, "T")
    full = new_service(store, dispatcher, FakeGpus(16000), queue__max_waiting=1)
    full.request(WHOLE, "T")
    full.request(WHOLE, "T")
    with pytest.raises(QueueFull):
        full.request(WHOLE, "T")
    await full.stop()


async def test_drain(service: LeaseService) -> None:
    """A server that is drained lets what runs run, and starts what waits only when it accepts again."""
    running = await granted(service, LeaseRequest(2, hold=HOLD_LEASE))
    waiting = service.request(WHOLE, "T")

    service.use_settings(Settings({"server.accepting": False}))
    await service.release(running)
    assert not waiting.decided
    with pytest.raises(NotAccepting):
        service.request(WHOLE, "T")

    service.use_settings(Settings({}))
    assert isinstance(await outcome(waiting), Granted)


async def test_quota(service: LeaseService) -> None:
    """A client has no more than its quota; a larger quota, or the end of a lease, lets the next one start."""
    service.use_default_quota(1.0)
    first = await granted(service)
    ticket = service.request(HALF, "TOKEN22")
    other = service.request(HALF, "OTHER22")
    assert isinstance(await outcome(other), Granted)
    assert isinstance(event := await anext(ticket.events()), Queued)
    assert event.reason == "1 of this client's quota of 1 GPUs are taken"
    with pytest.raises(NeverFits, match="2 GPUs requested, this client's quota is 1"):
        service.request(LeaseRequest(2), "TOKEN22")

    service.use_quota("TOKEN22", 1.5)
    assert isinstance(await outcome(ticket), Granted)
    await service.release(first)


async def test_lease_ends_with_its_holder(service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """The connection closes: the GPUs are free, at once."""
    lease_id = await granted(service, LeaseRequest(1))

    async with service.holding(lease_id):
        pass

    await until(lambda: not service.leases())
    assert dispatcher.revoked == [(lease_id, "the client is gone")]


async def test_lease_without_connection_stays(service: LeaseService) -> None:
    """A lease of request_gpus does not depend on a holder."""
    lease_id = await granted(service)
    await service.keep(lease_id)

    async with service.holding(lease_id):
        pass

    assert [lease.id for lease in service.leases()] == [lease_id]


async def test_grant_that_nobody_confirms_ends(store: Store, dispatcher: FakeDispatcher) -> None:
    """A client that dies before it has saved its reservation leaves nothing behind; one that has saved it has it for good."""
    service = new_service(store, dispatcher, FakeGpus(16000, 16000), lease__silence_s=2)
    await service.start()
    lost, kept = await granted(service), await granted(service)

    await service.keep(kept)

    await until(lambda: [lease.id for lease in service.leases()] == [kept])
    assert dispatcher.revoked == [(lost, "its client did not confirm the grant")]
    await service.stop()


async def test_holding_confirms_nothing(store: Store, dispatcher: FakeDispatcher) -> None:
    """A reservation that was held and never confirmed ends in this run of the manager, as it would after a restart."""
    service = new_service(store, dispatcher, FakeGpus(16000), lease__silence_s=2)
    await service.start()
    lost = await granted(service)

    async with service.holding(lost):
        pass
    assert [lease.id for lease in service.leases()] == [lost]

    await until(lambda: not service.leases())
    assert dispatcher.revoked == [(lost, "its client did not confirm the grant")]
    await service.stop()


async def test_cancelled_while_being_granted(service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """A client that leaves in the moment of the grant leaves nothing behind."""
    ticket = service.request(LeaseRequest(1), "T")
    service.cancel(ticket)

    await until(lambda: not service.leases())
    assert dispatcher.sessions == {}


async def test_ended_while_being_granted(service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """The end waits for the grant to be settled, so that no session survives its lease."""
    ticket = service.request(LeaseRequest(1), "T")
    session = service.end(ticket.id, "test")

    await asyncio.wait_for(session.ended.wait(), 5)
    assert dispatcher.sessions == {}


async def test_refused_admission(service: LeaseService, dispatcher: FakeDispatcher, store: Store) -> None:
    """A dispatcher that refuses costs the client its request and nobody a GPU."""
    dispatcher.refuses.add("admit")

    result = await outcome(service.request(WHOLE, "T"))

    assert isinstance(result, Refused)
    assert result.error.code == "dispatcher_refused"
    await until(lambda: not service.leases())
    assert await store.active_leases(SERVER_ID) == ()


async def test_restart_adopts(store: Store, dispatcher: FakeDispatcher) -> None:
    """A restarted manager knows its leases, and the holder of one comes back to it."""
    before = new_service(store, dispatcher, FakeGpus(16000, 16000))
    await before.start()
    kept, held = await granted(before), await granted(before, LeaseRequest(1))
    with contextlib.suppress(asyncio.CancelledError):
        async with before.holding(held):
            before.detach()
    await before.stop()

    after = new_service(store, dispatcher, FakeGpus(16000, 16000), lease__reconnect_s=1)
    await after.start()
    async with after.holding(held):
        await until(lambda: after.ready)
        assert {lease.id for lease in after.leases()} == {kept, held} == set(dispatcher.sessions)
        waiting = after.request(WHOLE, "T")
        assert not waiting.decided
    assert isinstance(await outcome(waiting), Granted)
    await after.stop()


async def test_restart_ends_what_nobody_comes_back_to(store: Store, dispatcher: FakeDispatcher) -> None:
    """A lease that lives by a connection ends when the grace is over."""
    before = new_service(store, dispatcher, FakeGpus(16000))
    await before.start()
    await granted(before, LeaseRequest(1))
    before.detach()
    await before.stop()

    after = new_service(store, dispatcher, FakeGpus(16000), lease__reconnect_s=1)
    await after.start()
    await until(lambda: not after.leases())
    await after.stop()

    assert [ended.reason for ended in (await store.ended_leases(1)).items] == ["its client did not come back"]


async def test_restart_ends_orphans_and_lost_gpus(store: Store, dispatcher: FakeDispatcher) -> None:
    """Sessions without a lease end, and so does a lease whose GPU was taken out."""
    before = new_service(store, dispatcher, FakeGpus(16000, 16000))
    await before.start()
    lost = await granted(before, LeaseRequest(2, hold=HOLD_LEASE))
    await before.stop()
    dispatcher.sessions["0f8fad5b-d9cb-469f-a165-70867728950e"] = {"gpus": []}

    after = new_service(store, dispatcher, FakeGpus(16000))
    await after.start()
    await until(lambda: len(dispatcher.revoked) == 2 and not after.leases())
    await after.stop()

    assert dict(dispatcher.revoked) == {
        "0f8fad5b-d9cb-469f-a165-70867728950e": "no lease",
        lost: "a GPU of the lease is gone",
    }


async def test_dispatcher_restart(service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """A new dispatcher is told of the leases that exist, and an end waits for it."""
    first, second = await granted(service), await granted(service)
    await dispatcher.stop()
    await until(lambda: not service.ready)
    service.end(first, "test")

    replacement = FakeDispatcher(dispatcher.path)
    await replacement.start()
    await until(lambda: [lease.id for lease in service.leases()] == [second] and second in replacement.sessions)
    await replacement.stop()

    assert (first, "test") in replacement.revoked


async def test_stopping_ends_nothing(service: LeaseService, dispatcher: FakeDispatcher, store: Store) -> None:
    """A manager that is stopped leaves its sessions running."""
    lease_id = await granted(service, LeaseRequest(1))
    service.detach()
    async with service.holding(lease_id):
        pass
    await service.stop()

    assert list(dispatcher.sessions) == [lease_id]
    assert [active.lease.id for active in await store.active_leases(SERVER_ID)] == [lease_id]


class IdleLimit(SameForAll):
    """A limit that a test can set."""

    limit_min: float = 0.0

    def idle_limit_min(self, client_id: str) -> float:
        return self.limit_min


async def test_idle_is_no_cuda_work(store: Store, dispatcher: FakeDispatcher) -> None:
    """Calls of any of its processes keep a session alive; repeated figures do not."""
    rules = IdleLimit(Settings({}))
    service = service_with(store, dispatcher, FakeGpus(16000, 16000), Settings({}), rules)
    await service.start()
    busy, idle = await granted(service), await granted(service)
    start = service.session(busy).last_activity
    for process, calls in (("a", 5), ("b", 9)):
        dispatcher.emit(event="stats", session=busy, process=process, calls=calls)
    await until(lambda: service.session(busy).last_activity > start)
    after_work = service.session(busy).last_activity
    for process, calls in (("a", 5), ("b", 9)):
        dispatcher.emit(event="stats", session=busy, process=process, calls=calls)
    dispatcher.emit(event="worker_ended", session=idle, process="c", reason="exit")
    known = service.session(idle).last_activity
    await until(lambda: service.session(idle).last_activity > known)
    assert service.session(busy).last_activity == after_work

    service.end_idle()
    assert len(service.leases()) == 2
    rules.limit_min = 1e-9
    service.end_idle()
    await until(lambda: not service.leases())
    await service.stop()
    assert dict(dispatcher.revoked)[idle].startswith("no GPU work")


async def test_reservation_that_releases_itself(store: Store, dispatcher: FakeDispatcher) -> None:
    """Whoever asked for it has its GPUs taken back after so long without work; others keep theirs."""
    service = service_with(store, dispatcher, FakeGpus(16000, 16000), Settings({}))
    await service.start()
    wanted, kept = await granted(service, replace(HALF, hold=HOLD_LEASE, auto_release_s=1e-9)), await granted(service, HALF)

    service.end_idle()
    await until(lambda: len(service.leases()) == 1)
    assert [lease.id for lease in service.leases()] == [kept]
    await service.stop()
    assert dict(dispatcher.revoked)[wanted].startswith("no GPU work for 1e-09 s")


async def test_concurrent_requests_never_share_a_whole_gpu(service: LeaseService) -> None:
    """Twenty at once on two GPUs: all get their turn, two at a time."""

    async def use() -> None:
        lease_id = await granted(service)
        taken = [gpu.uuid for lease in service.leases() for gpu in lease.gpus]
        assert len(taken) == len(set(taken))
        await service.release(lease_id)

    await asyncio.gather(*(use() for _ in range(20)))


class BrokenStore:
    """A store some of whose methods fail in a way nobody foresaw."""

    def __init__(self, store: Store, *broken: str) -> None:
        self._store = store
        self.broken = set(broken)

    def __getattr__(self, name: str) -> Any:
        if name in self.broken:
            raise ZeroDivisionError(name)
        return getattr(self._store, name)


async def test_failure_while_granting_returns_the_booking(store: Store, dispatcher: FakeDispatcher) -> None:
    """The client is refused, and the GPUs can be had by the next."""
    broken = BrokenStore(store, "open_lease")
    service = new_service(cast("Store", broken), dispatcher, FakeGpus(16000))
    await service.start()

    result = await outcome(service.request(WHOLE, "T"))

    assert isinstance(result, Refused)
    assert "log" in result.error.advice
    broken.broken.clear()
    assert await granted(service)
    await service.stop()


async def test_failure_while_ending_returns_the_booking(store: Store, dispatcher: FakeDispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPUs are free although the store cannot be told; it is told as soon as that works."""
    monkeypatch.setattr(service_module, "_CLOSE_RETRY_S", 0.01)
    broken = BrokenStore(store, "close_lease")
    service = new_service(cast("Store", broken), dispatcher, FakeGpus(16000))
    await service.start()
    first = await granted(service)

    await service.release(first)

    assert await granted(service)
    assert len(await store.active_leases(SERVER_ID)) == 2
    broken.broken.clear()
    while len(await store.active_leases(SERVER_ID)) > 1:  # noqa: ASYNC110 - the state of another object
        await asyncio.sleep(0.01)
    await service.stop()


async def test_reconciliation_is_tried_again(store: Store, dispatcher: FakeDispatcher) -> None:
    """As long as the sessions are not agreed on nothing is granted, and no failure ends the attempts."""
    dispatcher.sessions["0f8fad5b-d9cb-469f-a165-70867728950e"] = {"gpus": []}
    dispatcher.refuses.add("revoke")
    service = new_service(store, dispatcher, FakeGpus(16000))
    await service.start()
    waiting = service.request(WHOLE, "T")
    await until(lambda: dispatcher.refused > 1)
    assert not service.ready
    assert not waiting.decided

    dispatcher.refuses.clear()

    assert isinstance(await outcome(waiting), Granted)
    assert service.ready
    assert dispatcher.revoked == [("0f8fad5b-d9cb-469f-a165-70867728950e", "no lease")]
    await service.stop()


@pytest.mark.parametrize(
    "line", [b"[]\n", b'{"id": []}\n', b'{"event": "stats", "session": "%s", "calls": {}}\n', b"\xff\n", b"{" * 100_000 + b"\n"]
)
async def test_nonsense_from_the_dispatcher(service: LeaseService, dispatcher: FakeDispatcher, line: bytes) -> None:
    """Whatever it sends, the link goes on or comes back."""
    lease_id = await granted(service)

    dispatcher.send_raw(line.replace(b"%s", lease_id.encode()))

    await service.release(lease_id)
    assert service.leases() == ()
