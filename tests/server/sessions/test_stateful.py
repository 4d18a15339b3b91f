"""Everything that can happen to leases, in random order, on a real store: after each step nothing is given twice and nobody has too much."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bitfusion_core.errors import ClientRefused, NoCapacity
from bitfusion_core.models import HOLD_CONNECTION, HOLD_LEASE, Lease, LeaseRequest
from bitfusion_core.settings import Settings
from bitfusion_server.administration.audit import Audit
from bitfusion_server.administration.clients import ClientAdministration
from bitfusion_server.assembly import obey
from bitfusion_server.auth.clients import Clients
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.sessions.ticket import Ticket
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import GLOBAL, Client, ClientState, client_subject, server_subject
from bitfusion_server.store.lane import Job, Lane
from bitfusion_server.store.sqlite import SqliteStore
from tests.server.conftest import SERVER_ID, service_with
from tests.server.fakes import FakeDispatcher, FakeGpus

T = TypeVar("T")

NAMES = ("ann", "bob", "eve")
GPUS_MIB = (16000, 16000, 8000)
ROUNDING = 1e-6
STEPS = 100  # at most, of one server
SPARE = 1.25  # a run is cut short when what it draws does not fit into Hypothesis' buffer
ENOUGH, MANY = 10_000, 50_000

# What is drawn never depends on what was granted: ids are random, and Hypothesis must be able to repeat a run.
WHICH, SURE = st.integers(0, 99), st.integers(0, 3)
requests = st.builds(
    LeaseRequest,
    gpus=st.integers(1, 3),
    fraction=st.sampled_from((None, None, 0.1, 0.25, 0.5, 1.0)),
    hold=st.sampled_from((HOLD_LEASE, HOLD_CONNECTION)),
    timeout_s=st.sampled_from((0.0, 1000.0)),
) | st.builds(LeaseRequest, gpus=st.integers(1, 2), memory_mib=st.sampled_from((1000, 6000, 12000)), hold=st.just(HOLD_LEASE))


class LaneInTheLoop(Lane):
    """Does in the event loop what the thread of a lane does: all that is asked for in one turn is one transaction.

    So no step waits for a thread to get a processor, and a run can be repeated exactly.
    """

    async def start(self) -> None:
        """Connect."""
        self._db = self._connect()
        self._batch: list[Job] = []

    async def stop(self) -> None:
        """Disconnect."""
        self._db.close()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it together with what else is asked for in this turn."""
        loop = asyncio.get_running_loop()
        if not self._batch:
            loop.call_soon(self._turn)
        job = Job(work, loop)
        self._batch.append(job)
        result: T = await job.done
        return result

    def _turn(self) -> None:
        batch, self._batch = self._batch, []
        self.work_off(self._db, batch)
        for job in batch:
            job.deliver()


@dataclasses.dataclass
class Before:
    """What was true after the step before."""

    leases: frozenset[str] = frozenset()
    use: dict[str, float] = dataclasses.field(default_factory=dict)


class Leases(RuleBasedStateMachine):
    """Three clients, three GPUs of two sizes. `steps`: how often the invariants have been checked, in all runs."""

    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.waiting: list[Ticket] = []
        self.states = dict.fromkeys(NAMES, ClientState.ACTIVE)
        self.before = Before()
        self.service: LeaseService

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it, and whatever follows from it."""

        async def all_of_it() -> T:
            result = await work
            async with asyncio.timeout(20):
                while not self.settled():  # noqa: ASYNC110 - a state of many objects, all of which are in this event loop
                    await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(all_of_it())

    def settled(self) -> bool:
        """Nothing is on its way: each lease is open, and where the dispatcher is, it knows the same."""
        sessions = [self.service.session(lease.id) for lease in self.service.leases()]
        quiet = all(session.settled.is_set() and not session.ending.is_set() for session in sessions)
        return quiet and self.service.ready and set(self.dispatcher.sessions) == {session.lease.id for session in sessions}

    @initialize()
    def start(self) -> None:
        """A new server."""
        self.wait_for(self._open())

    async def _open(self) -> None:
        self.store = SqliteStore(self.directory / "store.db", LaneInTheLoop)
        await self.store.open()
        self.reader = sqlite3.connect(self.directory / "store.db", isolation_level=None)
        for name in NAMES:
            await self.store.insert_client(Client(name, "T", "host", name, 0.0))
        self.dispatcher = FakeDispatcher(self.directory / "dispatcher.sock")
        await self.dispatcher.start()
        await self._start_service()

    async def _start_service(self) -> None:
        self.settings = LiveSettings(self.store, Settings({"lease.silence_s": 3600, "lease.reconnect_s": 3600}), SERVER_ID)
        await self.settings.load()
        self.clients = Clients(self.store, self.settings, time.time)
        await self.clients.load()
        self.service = service_with(self.store, self.dispatcher, FakeGpus(*GPUS_MIB), self.settings, self.clients)
        obey(self.service, self.settings)
        await self.service.start()
        audit = Audit(self.store, time.time)
        self.administration = ClientAdministration(self.store, self.clients, self.service, audit, time.time)

    @rule(wanted=st.lists(st.tuples(requests, st.sampled_from(NAMES)), min_size=1, max_size=4))
    def allocate(self, wanted: list[tuple[LeaseRequest, str]]) -> None:
        """Some want GPUs, all at once."""

        async def ask() -> None:
            for request, name in wanted:
                with contextlib.suppress(ClientRefused, NoCapacity):
                    self.waiting.append(self.service.request(request, "T", name))

        self.wait_for(ask())

    @rule(which=WHICH, drop=st.booleans())
    def release(self, which: int, drop: bool) -> None:
        """A lease is given back, or its holder's connection breaks."""
        leases = self.service.leases()
        if not leases:
            return
        lease_id = leases[which % len(leases)].id

        async def hold_and_drop() -> None:
            async with self.service.holding(lease_id):
                pass

        self.wait_for(hold_and_drop() if drop else self.service.release(lease_id))

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        """A client leaves, while it waits or in the moment of the grant."""
        if not self.waiting:
            return
        ticket = self.waiting.pop(which % len(self.waiting))

        async def leave() -> None:
            self.service.cancel(ticket)

        self.wait_for(leave())

    @rule(name=st.sampled_from(NAMES))
    def expire(self, name: str) -> None:
        """A client's sessions have been idle for too long."""

        async def idle() -> None:
            await self.settings.change(client_subject(name), {"lease.idle_timeout_min": 1})
            for lease in self.leases_of(name):
                self.service.session(lease.id).last_activity -= 61
            self.service.end_idle()
            await self.settings.change(client_subject(name), {"lease.idle_timeout_min": None})

        mine = {lease.id for lease in self.leases_of(name)}
        self.wait_for(idle())
        assert not mine & {lease.id for lease in self.service.leases()}

    @rule(name=st.sampled_from(NAMES))
    def run_out(self, name: str) -> None:
        """A client's time runs out: what it waits for it does not get, what it has ends. Then it is extended."""

        async def end() -> Client:
            client = await self.store.client(name)
            assert client is not None
            self.clients.remember(dataclasses.replace(client, expires_at=1.0))
            self.service.end_expired()
            return client

        client = self.wait_for(end())
        assert not self.leases_of(name)
        self.clients.remember(client)

    @rule(name=st.sampled_from(NAMES), enable=st.booleans())
    def disable(self, name: str, enable: bool) -> None:
        """A client is disabled, or enabled again."""
        if self.states[name] is ClientState.DELETED:
            return
        self.states[name] = ClientState.ACTIVE if enable else ClientState.DISABLED
        self.wait_for(self.administration.enable("a", name) if enable else self.administration.disable("a", name))

    @rule(name=st.sampled_from(NAMES), sure=SURE, very_sure=SURE)
    def delete(self, name: str, sure: int, very_sure: int) -> None:
        """A client is deleted; rarely, since it does not come back."""
        if sure == very_sure == 0:
            self.states[name] = ClientState.DELETED
            self.wait_for(self.administration.delete("a", name))
            assert not self.leases_of(name)

    @rule(accepting=st.booleans())
    def drain(self, accepting: bool) -> None:
        """New applications are allowed or not."""
        self.wait_for(self.settings.change(server_subject(SERVER_ID), {"server.accepting": accepting}))

    @rule(subject=st.sampled_from((GLOBAL, *map(client_subject, NAMES))), quota=st.sampled_from((None, 0, 0.5, 1.25, 2, 64)))
    def change_quota(self, subject: str, quota: float | None) -> None:
        """For all or for one, also below what it has."""
        self.wait_for(self.settings.change(subject, {"client.gpu_quota": quota}))

    @rule(sure=SURE)
    def restart(self, sure: int) -> None:
        """The manager stops and comes back; who waited has to ask again, who runs goes on."""
        if sure:
            return

        async def again() -> None:
            self.service.detach()
            await self.service.stop()
            await self._start_service()

        self.waiting.clear()
        leases = {lease.id for lease in self.service.leases()}
        self.wait_for(again())
        assert leases == {lease.id for lease in self.service.leases()}

    @rule(sure=SURE)
    def restart_dispatcher(self, sure: int) -> None:
        """The dispatcher dies and comes back with nothing."""
        if sure:
            return

        async def again() -> None:
            await self.dispatcher.stop()
            self.dispatcher = FakeDispatcher(self.dispatcher.path)
            await self.dispatcher.start()

        self.wait_for(again())

    def leases_of(self, name: str) -> list[Lease]:
        """A client's."""
        return [lease for lease in self.service.leases() if lease.client_id == name]

    @invariant()
    def no_gpu_has_more_than_it_has(self) -> None:
        """Charges fit into the memory; who has a GPU whole has it alone; the books say the same."""
        for state in self.service.inventory().gpus:
            charged = [(gpu, lease) for lease in self.service.leases() for gpu in lease.gpus if gpu.uuid == state.gpu.uuid]
            assert sum(gpu.charge_mib for gpu, _ in charged) == state.used_mib <= state.gpu.memory_mib
            assert len(charged) == state.leases
            assert len(charged) <= 1 or all(lease.partition for _, lease in charged)

    @invariant()
    def each_lease_is_what_it_promises(self) -> None:
        """Distinct GPUs, the same memory of each."""
        for lease in self.service.leases():
            assert len({gpu.uuid for gpu in lease.gpus}) == len(lease.gpus)
            assert {gpu.memory_mib for gpu in lease.gpus} == {lease.memory_mib}

    @invariant()
    def nobody_gets_more_than_the_quota(self) -> None:
        """Whoever has more than the quota had it before the quota was lowered."""
        use = {name: sum(lease.fraction * len(lease.gpus) for lease in self.leases_of(name)) for name in NAMES}
        for name, gpus in use.items():
            assert gpus <= max(self.clients.quota(name), self.before.use.get(name, 0.0)) + ROUNDING
        self.before.use = use

    @invariant()
    def nothing_starts_that_may_not(self) -> None:
        """Neither for a client that is disabled or deleted, nor on a server that takes no new applications."""
        leases = self.service.leases()
        new = [lease for lease in leases if lease.id not in self.before.leases]
        assert not new or self.service.accepting
        assert all(self.states[lease.client_id] is ClientState.ACTIVE for lease in new)
        assert all(self.states[lease.client_id] is not ClientState.DELETED for lease in leases)
        self.before.leases = frozenset(lease.id for lease in leases)

    @invariant()
    def store_and_dispatcher_agree(self) -> None:
        """What is open is stored and admitted; nothing else is; nothing open is in the history."""

        stored = {str(name) for (name,) in self.reader.execute("SELECT id FROM lease WHERE server_id = ?", (SERVER_ID,))}
        assert stored == self.before.leases == set(self.dispatcher.sessions)
        assert self.reader.execute("SELECT id FROM lease JOIN lease_history USING (id)").fetchall() == []
        Leases.steps += 1

    def teardown(self) -> None:
        """Leave nothing behind."""

        async def close() -> None:
            await self.service.stop()
            await self.dispatcher.stop()
            await self.store.close()
            self.reader.close()

        self.loop.run_until_complete(close())
        self.loop.close()
        shutil.rmtree(self.directory)


def run(steps: int) -> None:
    """As many servers as it takes for so many steps."""
    Leases.steps = 0
    chosen = settings(
        max_examples=int(SPARE * steps) // STEPS, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Leases, settings=chosen)  # type: ignore[no-untyped-call]
    assert Leases.steps >= steps


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dispatcher that comes back is found at once, and nobody reads the log of so many steps."""
    monkeypatch.setattr("bitfusion_server.sessions.dispatcher._RETRY_S", 0.001)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def test_ten_thousand_steps() -> None:
    """Whatever happens in whatever order, every invariant holds after every step."""
    run(ENOUGH)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_steps() -> None:
    """The same for longer."""
    run(MANY)
