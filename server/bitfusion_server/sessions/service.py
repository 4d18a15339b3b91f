"""The lease service: the queue, the open leases, and their agreement with the store and the dispatcher.

Order of a grant: booked in memory, written to the store, admitted at the dispatcher, told to the client. Order of an end: told to whoever
holds it, revoked at the dispatcher (its workers are gone when that returns), closed in the store, and only then are the GPUs given away
again. A crash in between leaves a lease that the next start finds and ends or adopts; never a GPU given twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import structlog

from bitfusion_core.errors import BitfusionError, NeverFits, NotAccepting, NotFound, QueueFull, ServerUnavailable
from bitfusion_core.models import HOLD_CONNECTION, HOLD_LEASE, Lease, LeaseRequest, ServerFacts
from bitfusion_server.scheduler.line import Entry
from bitfusion_server.scheduler.placement import GpuState, Inventory, Placement
from bitfusion_server.scheduler.pool import Pool
from bitfusion_server.scheduler.queue import Outcome, Queue
from bitfusion_server.scheduler.quota import Quotas
from bitfusion_server.sessions.dispatcher import DispatcherDown, DispatcherLink, DispatcherRefused, Event
from bitfusion_server.sessions.rules import ClientRules, SameForAll
from bitfusion_server.sessions.sensors import GpuSource
from bitfusion_server.sessions.session import Session, Work
from bitfusion_server.sessions.ticket import Granted, Refused, Ticket, TimedOut
from bitfusion_server.settings.live import Reading
from bitfusion_server.store.base import ActiveLease, Store

_log = structlog.get_logger(__name__)

_CLIENT_CHECK_S = 5.0
_REVOKE_RETRY_S = 1.0
_CLOSE_RETRY_S = 5.0
_RELEASE_WAIT_S = 10.0
# Places in a long queue change with every lease that ends; those who wait are told less often the more they are.
_PLACES_EVERY_S = 0.05
_PLACES_EVERY_S_EACH = 0.002

GONE = "the client is gone"
RELEASED = "released"
EXPIRED = "the time of the client has run out"


class LeaseService:
    """Everything runs in the event loop's thread; methods that are not coroutines are atomic."""

    def __init__(
        self,
        store: Store,
        dispatcher_socket: Path,
        gpus: GpuSource,
        server_id: str,
        server: ServerFacts,
        settings: Reading,
        wall_clock: Callable[[], float],
        clients: ClientRules | None = None,
    ) -> None:
        self.server_id = server_id
        self.server = server
        self._store = store
        self._gpus = gpus
        self._settings = settings
        self._clients = clients if clients is not None else SameForAll(settings)
        self._wall_clock = wall_clock
        self._dispatcher = DispatcherLink(dispatcher_socket, self._reconcile, self._on_dispatcher_event)
        self._pool = Pool([self._empty()])
        self._queue = Queue(self._pool, Quotas())
        self._tickets: dict[str, Ticket] = {}
        self._sessions: dict[str, Session] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._places: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self) -> None:
        """Take over the leases of the run before; their holders have a grace to come back."""
        for active in await self._store.active_leases(self.server_id):
            session = Session(active, self._now())
            session.settled.set()
            session.kept = active.kept
            self._sessions[active.lease.id] = session
            self._queue.take(_owner(active.lease), _placement(active.lease))
            self._give_grace(session)
        _log.info("leases adopted", count=len(self._sessions))
        self._dispatcher.start()
        self._spawn(self._watch_clients())

    async def stop(self) -> None:
        """Let go of everything; sessions run on and the next start adopts them."""
        self._stopping = True
        await self._dispatcher.stop()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for timer in (self._deadline, self._places):
            if timer is not None:
                timer.cancel()
        for session in self._sessions.values():
            session.stop_grace()

    def detach(self) -> None:
        """From now on a closed connection says nothing about its client: it is we who close them."""
        self._stopping = True

    @property
    def ready(self) -> bool:
        """Can leases be granted?"""
        return self._dispatcher.agreed and not self._stopping

    @property
    def accepting(self) -> bool:
        """May new applications start?"""
        return self._settings.flag("server.accepting")

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._tickets)

    def leases(self) -> tuple[Lease, ...]:
        """Open leases, oldest first."""
        return tuple(session.lease for session in self._sessions.values())

    def session(self, lease_id: str) -> Session:
        """An open lease."""
        session = self._sessions.get(lease_id)
        if session is None:
            raise NotFound(f"there is no lease {lease_id}", hint="It has ended; request GPUs again.")
        return session

    def inventory(self) -> Inventory:
        """The GPUs and what is taken of them."""
        return self._pool.server(self.server_id)

    def use_settings(self, settings: Reading) -> None:
        """Settings have changed. A server that accepts again lets those start who waited for it."""
        self._settings = settings
        state = self._empty()
        self._pool.put(dataclasses.replace(self.inventory(), reserve_mib=state.reserve_mib, accepting=state.accepting))
        self._act(self._queue.reconsider(self._now()))

    def use_quota(self, client_id: str, gpus: float | None) -> None:
        """A client's quota has changed; None: the default counts. Running sessions stay."""
        self._queue.quotas.set(client_id, gpus)
        self._act(self._queue.reconsider(self._now()))

    def use_default_quota(self, gpus: float) -> None:
        """The quota of clients without one of their own has changed."""
        self._queue.quotas.set_default(gpus)
        self._act(self._queue.reconsider(self._now()))

    def _empty(self) -> Inventory:
        reserve_mib = self._settings.integer("gpu.context_reserve_mib")
        return Inventory(self.server, tuple(GpuState(gpu) for gpu in self._gpus.gpus), reserve_mib, self.server_id, self.accepting)

    def request(self, request: LeaseRequest, token_id: str, client_id: str = "") -> Ticket:
        """Join the queue; the answer may be there at once. What can never fit is refused here."""
        if not self.accepting:
            raise NotAccepting
        refusal = self._clients.refusal(client_id, token_id)
        if refusal is not None:
            raise refusal
        if len(self._tickets) >= self._settings.integer("queue.max_waiting"):
            raise QueueFull
        now = self._now()
        wait_s = min(request.timeout_s, self._settings.number("queue.max_wait_s"))
        ticket = Ticket(str(uuid.uuid4()), request, token_id, client_id, now)
        entry = Entry(ticket.id, request, now + wait_s, owner=client_id or token_id)
        never = self._queue.impossible(entry)
        if never is not None:
            raise NeverFits(never.reason)
        self._tickets[ticket.id] = ticket
        self._act(self._queue.join(entry, now))
        if ticket.id in self._tickets and (status := self._queue.last()) is not None:
            ticket.waits(status)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """The client does not want it any more; if it was granted meanwhile, the lease ends."""
        ticket.cancelled = True
        if self._tickets.pop(ticket.id, None) is not None:
            self._act(self._queue.leave(ticket.id, self._now()))
        elif ticket.decided and ticket.id in self._sessions and not self._stopping:
            self.end(ticket.id, "cancelled")

    def refuse_waiting(self) -> None:
        """Rules have changed: who may start nothing now does not get what it waits for."""
        refused = [(ticket, self._clients.refusal(ticket.client_id, ticket.token_id)) for ticket in self._tickets.values()]
        for ticket, error in refused:
            if error is not None:
                self.cancel(ticket)
                ticket.ends(Refused(error))

    def end(self, lease_id: str, reason: str) -> Session:
        """Begin to end a lease; `Session.ended` says when its GPUs are free."""
        session = self.session(lease_id)
        if not session.ending.is_set():
            session.reason = reason
            session.ending.set()
            session.stop_grace()
            self._spawn(self._finish(session))
        return session

    async def admit_measurement(self, session: str, key: str) -> None:
        """Let a client measure the network; takes no GPU."""
        await self._dispatcher.measure(session, key)

    async def keep(self, lease_id: str) -> None:
        """Its client has read and saved the grant: a lease without a connection now lives until it is released, whatever happens to us."""
        session = self.session(lease_id)
        if session.lease.hold == HOLD_LEASE and await self._store.keep_lease(lease_id):
            session.kept = True
            session.stop_grace()

    async def release(self, lease_id: str, reason: str = RELEASED) -> None:
        """End a lease for its owner. If its workers resist, the end goes on without keeping the owner waiting."""
        session = self.end(lease_id, reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RELEASE_WAIT_S):
                await session.ended.wait()

    async def end_all(self, reason: str) -> None:
        """End every lease, for a server that will not come back soon."""
        await self._end_many(self.leases(), reason)

    async def end_of_client(self, client_id: str, reason: str) -> None:
        """End every lease of a client."""
        await self._end_many([lease for lease in self.leases() if lease.client_id == client_id], reason)

    async def end_of_token(self, token_id: str, reason: str) -> None:
        """End every lease that was requested with a token."""
        await self._end_many([lease for lease in self.leases() if lease.token_id == token_id], reason)

    async def _end_many(self, leases: Iterable[Lease], reason: str) -> None:
        sessions = [self.end(lease.id, reason) for lease in leases]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(session.ended.wait() for session in sessions)), _RELEASE_WAIT_S)

    @contextlib.asynccontextmanager
    async def holding(self, lease_id: str) -> AsyncIterator[Session]:
        """Keep a lease alive; when the last holder of a lease that lives by its connection leaves, it ends."""
        session = self.session(lease_id)
        session.holders += 1
        session.stop_grace()
        try:
            yield session
        finally:
            session.holders -= 1
            if not self._stopping and lease_id in self._sessions:
                self._let_go(session)

    def _let_go(self, session: Session) -> None:
        """A holder has left. Holding confirms nothing: an unconfirmed reservation has its grace again."""
        if session.abandoned:
            self.end(session.lease.id, GONE)
        elif not session.ending.is_set():
            self._give_grace(session)

    def _act(self, outcome: Outcome) -> None:
        """Do what the queue has decided."""
        for entry, reason in outcome.timed_out:
            ticket = self._tickets.pop(entry.id)
            ticket.ends(TimedOut(reason, round(self._now() - ticket.joined_at, 3)))
        for entry, never in outcome.refused:
            self._tickets.pop(entry.id).ends(Refused(NeverFits(never.reason)))
        for entry, placed in outcome.granted:
            self._book(self._tickets.pop(entry.id), placed)
        self._await_deadline()
        self._tell_places_soon()

    def _tell_places_soon(self) -> None:
        """Somebody has moved up; the changes of a moment are told together."""
        if self._places is None and self._tickets:
            wait_s = _PLACES_EVERY_S + _PLACES_EVERY_S_EACH * len(self._tickets)
            self._places = asyncio.get_running_loop().call_later(wait_s, self._tell_places)

    def _tell_places(self) -> None:
        self._places = None
        for entry, status in self._queue.waiting():
            self._tickets[entry.id].waits(status)

    def _book(self, ticket: Ticket, placed: Placement) -> None:
        """The GPUs are taken from this moment; the rest follows."""
        lease = self._lease(ticket, placed)
        session = Session(ActiveLease(lease, secrets.token_bytes(32)), self._now())
        self._sessions[lease.id] = session
        self._spawn(self._grant(ticket, session))

    def _lease(self, ticket: Ticket, placed: Placement) -> Lease:
        request = ticket.request
        return Lease(
            id=ticket.id,
            server_id=self.server_id,
            token_id=ticket.token_id,
            client_id=ticket.client_id,
            gpus=placed.gpus,
            memory_mib=placed.memory_mib,
            fraction=placed.fraction,
            hold=request.hold,
            hostname=request.hostname,
            user=request.user,
            command=request.command,
            granted_at=self._wall_clock(),
            tls=self._settings.flag("data.tls"),
            partition=not request.whole,
            auto_release_s=request.auto_release_s,
        )

    async def _grant(self, ticket: Ticket, session: Session) -> None:
        error = await self._open(session)
        session.settled.set()
        lease = session.lease
        if error is not None:
            self.end(lease.id, f"not granted: {error.detail}")
            ticket.ends(Refused(error))
            return
        _log.info("lease granted", lease=lease.id, gpus=[gpu.index for gpu in lease.gpus], memory_mib=lease.memory_mib, user=lease.user)
        if ticket.cancelled:
            self.end(lease.id, "cancelled")
            return
        self._give_grace(session)
        ticket.ends(Granted(session.active))

    async def _open(self, session: Session) -> BitfusionError | None:
        """Make store and dispatcher know the lease; why that cannot be, whatever the reason: the booking must come back."""
        try:
            await self._store.open_lease(session.active)
            await self._dispatcher.until_agreed()
            await self._dispatcher.admit(session.active)
        except BitfusionError as error:
            _log.error("lease not granted", lease=session.lease.id, reason=error.detail)
            return error
        except Exception:  # noqa: BLE001 - the booking must come back
            _log.exception("lease not granted", lease=session.lease.id)
            return ServerUnavailable("the server failed while it granted the lease", hint="Try again; the server's log says more.")
        return None

    async def _finish(self, session: Session) -> None:
        lease = session.lease
        await session.settled.wait()
        await self._revoke(lease.id, session.reason)
        closed = await self._close(session, self._wall_clock())
        del self._sessions[lease.id]
        session.ended.set()
        _log.info("lease ended", lease=lease.id, reason=session.reason)
        self._act(self._queue.release(_owner(lease), _placement(lease), self._now()))
        while not closed:  # nobody holds its GPUs any more, but the next start would take it for open
            await asyncio.sleep(_CLOSE_RETRY_S)
            closed = await self._close(session, self._wall_clock())

    async def _close(self, session: Session, now: float) -> bool:
        try:
            await self._store.close_lease(session.lease.id, now, session.reason)
        except Exception:  # noqa: BLE001 - tried again, whatever it was
            _log.exception("lease still open in the store", lease=session.lease.id)
            return False
        return True

    async def _revoke(self, lease_id: str, reason: str) -> None:
        """Until the dispatcher has confirmed: as long as a worker may run, its GPUs are not free."""
        while True:
            try:
                await self._dispatcher.revoke(lease_id, reason)
                return
            except (DispatcherDown, DispatcherRefused) as error:
                _log.warning("session not ended yet", lease=lease_id, reason=error.detail)
            except Exception:  # noqa: BLE001 - tried again, whatever it was
                _log.exception("session not ended yet", lease=lease_id)
            await asyncio.sleep(_REVOKE_RETRY_S)

    async def _reconcile(self) -> None:
        """After each connection: leases unknown to the dispatcher are admitted, sessions unknown to us end."""
        known = await self._dispatcher.sessions()
        present = {gpu.uuid for gpu in self._gpus.gpus}
        for session in tuple(self._sessions.values()):
            if any(gpu.uuid not in present for gpu in session.lease.gpus):
                self.end(session.lease.id, "a GPU of the lease is gone")
            elif session.lease.id not in known and session.settled.is_set() and not session.ending.is_set():
                await self._admit_again(session)
        for orphan in known - self._sessions.keys():
            _log.warning("orphan session", lease=orphan)
            await self._dispatcher.revoke(orphan, "no lease")

    async def _admit_again(self, session: Session) -> None:
        try:
            await self._dispatcher.admit(session.active)
        except DispatcherRefused as error:
            self.end(session.lease.id, f"the dispatcher refused it: {error.detail}")

    def _on_dispatcher_event(self, event: Event) -> None:
        session = self._sessions.get(str(event.get("session")))
        if session is None:
            return
        process = str(event.get("process"))
        if event.get("event") == "stats":
            session.note_work(process, Work.of(event), self._now())
        else:
            session.forget_process(process, self._now())

    async def _watch_clients(self) -> None:
        """End sessions without CUDA work for longer than the setting allows, and what belongs to clients whose time has run out."""
        while True:
            await asyncio.sleep(_CLIENT_CHECK_S)
            self.end_idle()
            self.end_expired()

    def end_expired(self) -> None:
        """Cut off clients whose time has run out: they could not even give back what they have."""
        self.refuse_waiting()
        for session in tuple(self._sessions.values()):
            if self._clients.expired(session.lease.client_id):
                self.end(session.lease.id, EXPIRED)

    def end_idle(self) -> None:
        """End what has been idle for longer than its client may be, or than was asked for."""
        for session in tuple(self._sessions.values()):
            limit_min = self._clients.idle_limit_min(session.lease.client_id)
            if limit_min and self.idle_s(session) > limit_min * 60:
                self.end(session.lease.id, f"no GPU work for {limit_min:g} min")
            elif 0 < session.lease.auto_release_s < self.idle_s(session):
                self.end(session.lease.id, f"no GPU work for {session.lease.auto_release_s:g} s, after which it was to be released")

    def idle_s(self, session: Session) -> float:
        """How long ago it last did CUDA work."""
        return self._now() - session.last_activity

    def _give_grace(self, session: Session) -> None:
        """Its client must soon show that it has it: hold it, or say that it keeps it. A grant may have been sent to nobody."""
        if session.unclaimed:
            name = "lease.reconnect_s" if session.lease.hold == HOLD_CONNECTION else "lease.silence_s"
            session.give_grace(asyncio.get_running_loop().call_later(self._settings.number(name), self._grace_over, session))

    def _grace_over(self, session: Session) -> None:
        if session.unclaimed and session.lease.id in self._sessions:
            came_back = "did not come back" if session.lease.hold == HOLD_CONNECTION else "did not confirm the grant"
            self.end(session.lease.id, f"its client {came_back}")

    def _await_deadline(self) -> None:
        """Wake up when the next waiting request times out."""
        at = self._queue.next_deadline
        if self._deadline is not None:
            if self._deadline.when() == at:
                return
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_at(at, self._deadline_reached) if at is not None else None

    def _deadline_reached(self) -> None:
        self._deadline = None
        self._act(self._queue.expire(self._now()))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("lease service task failed", exc_info=task.exception())


def _owner(lease: Lease) -> str:
    """Whose quota it counts against."""
    return lease.client_id or lease.token_id


def _placement(lease: Lease) -> Placement:
    return Placement(lease.gpus, lease.memory_mib, lease.fraction, lease.server_id)
