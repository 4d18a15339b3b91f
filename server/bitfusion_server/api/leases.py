"""Leases: ask and wait, hold, look, end."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

import bitfusion_core
from bitfusion_core import filters
from bitfusion_core.errors import InvalidRequest, NotFound
from bitfusion_core.models import DEFAULT_WAIT_S, HOLD_LEASE, MAX_GPUS_PER_REQUEST, Lease, LeaseRequest
from bitfusion_server.api.context import address_of
from bitfusion_server.api.fields import ClientId, Name, Seconds
from bitfusion_server.api.lines import Lines
from bitfusion_server.api.middleware import REQUEST_ID
from bitfusion_server.api.routing import Call
from bitfusion_server.sessions.session import Session
from bitfusion_server.sessions.ticket import Queued, Refused, Ticket, TimedOut
from bitfusion_server.store.base import ActiveLease

_HEARTBEAT_S = 1.0
_COMMAND_KEPT = 64

Words = Annotated[list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(min_length=1, max_length=64)]


class LeaseBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What GPUs are wanted. Neither `fraction` nor `memory_mib`: whole ones."""

    gpus: Annotated[int, Meta(ge=1, le=MAX_GPUS_PER_REQUEST)]
    hostname: Name
    user: Name
    hold: Literal["connection", "lease"] = "connection"
    fraction: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    memory_mib: Annotated[int, Meta(ge=1, le=1 << 30)] | None = None
    filters: Annotated[dict[str, Words], Meta(max_length=16)] = {}
    timeout_s: Annotated[float, Meta(ge=0.0, le=31_536_000.0)] = DEFAULT_WAIT_S
    auto_release_s: Annotated[float, Meta(ge=0.0, le=31_536_000.0)] = 0.0
    command: list[str] = []
    client_id: ClientId | None = None

    def request(self) -> LeaseRequest:
        """The same as the scheduler's value; of long commands the beginning is kept."""
        if self.fraction is not None and self.memory_mib is not None:
            raise InvalidRequest("'fraction' and 'memory_mib' exclude each other", hint="Give one of them, or neither for whole GPUs.")
        return LeaseRequest(
            gpus=self.gpus,
            fraction=self.fraction,
            memory_mib=self.memory_mib,
            filters=filters.check(self.filters),
            timeout_s=self.timeout_s,
            hold=self.hold,
            auto_release_s=self.auto_release_s,
            command=tuple(word[:1024] for word in self.command[:_COMMAND_KEPT]),
            hostname=self.hostname,
            user=self.user,
        )


class LeasedGpuShown(msgspec.Struct, frozen=True):
    """A GPU of a lease."""

    index: int
    uuid: str
    name: str
    memory_mib: int


class LeaseShown(msgspec.Struct, frozen=True):
    """An open lease."""

    id: str
    server_id: str
    client_id: str
    hostname: str
    user: str
    command: list[str]
    hold: str
    granted_at: Seconds
    gpus: list[LeasedGpuShown]
    memory_mib: int
    fraction: float


class LeaseList(msgspec.Struct, frozen=True):
    """Open leases, oldest first."""

    leases: list[LeaseShown]


class LeaseEvent(msgspec.Struct, frozen=True):
    """One line of the stream; which other fields there are depends on the event."""

    event: Literal["queued", "granted", "timeout", "refused", "heartbeat", "ended"]


async def create(call: Call) -> web.StreamResponse:
    """Wait for GPUs. Whoever closes the stream while waiting has cancelled; with `hold: connection` closing it later ends the lease."""
    body: LeaseBody = call.body
    wanted = body.request()
    await call.services.clients.check(call.principal, body.client_id)
    ticket = call.services.leases.request(wanted, call.principal.token_id, body.client_id or "")
    lines = _lines(call)
    try:
        await lines.open()
        await _until_decided(call, ticket, lines)
    except ConnectionError:
        return lines.response
    finally:
        if not ticket.taken:
            call.services.leases.cancel(ticket)
    return await lines.close()


async def hold(call: Call) -> web.StreamResponse:
    """Come back to a lease after the manager broke off."""
    lease = _owned(call)
    lines = _lines(call)
    try:
        async with call.services.leases.holding(lease.id) as session:
            await lines.open()
            await _keep_alive(session, lines)
    except ConnectionError:
        return lines.response
    return await lines.close()


async def index(call: Call) -> LeaseList:
    """Leases of the caller; viewers, operators and administrators see all."""
    return LeaseList([_shown(lease) for lease in call.services.leases.leases() if call.principal.sees(lease.token_id)])


async def show(call: Call) -> LeaseShown:
    """One lease."""
    return _shown(_of_caller(call))


async def keep(call: Call) -> None:
    """The client has saved the lease it was granted with `hold: lease`; without that it ends after `lease.silence_s`."""
    await call.services.leases.keep(_owned(call).id)


async def delete(call: Call) -> None:
    """End a lease; when the answer comes its workers are gone, unless they resist for long."""
    await call.services.leases.release(_owned(call).id)


def _lines(call: Call) -> Lines:
    return Lines(call.request, call.services.settings.number("lease.silence_s"))


async def _until_decided(call: Call, ticket: Ticket, lines: Lines) -> None:
    """Tell the client what happens to its request."""
    async for event in ticket.events():
        if isinstance(event, Queued):
            await lines.send(event="queued", place=event.place, reason=event.reason, waited_s=event.waited_s)
        elif isinstance(event, TimedOut):
            await lines.send(event="timeout", reason=event.reason, waited_s=event.waited_s)
        elif isinstance(event, Refused):
            await lines.send(event="refused", problem=event.error.problem(call.request[REQUEST_ID]))
        else:
            await _hand_over(call, ticket, event.active, lines)


async def _hand_over(call: Call, ticket: Ticket, active: ActiveLease, lines: Lines) -> None:
    """The lease is taken once its client has been told, or from the moment its life hangs on the connection."""
    granted = _grant(call, active)
    if active.lease.hold == HOLD_LEASE:
        await lines.send(event="granted", lease=granted)
        ticket.taken = True
        return
    async with call.services.leases.holding(active.lease.id) as session:
        ticket.taken = True
        await lines.send(event="granted", lease=granted)
        await _keep_alive(session, lines)


async def _keep_alive(session: Session, lines: Lines) -> None:
    """Heartbeats until the lease ends; the connection's end cancels this."""
    while not session.ending.is_set():
        await lines.send(event="heartbeat")
        try:
            await asyncio.wait_for(session.ending.wait(), _HEARTBEAT_S)
        except TimeoutError:
            continue
    await lines.send(event="ended", reason=session.reason)


def _of_caller(call: Call) -> Lease:
    """The lease named in the path; a stranger's does not exist for the caller."""
    lease = call.services.leases.session(call.id).lease
    if not call.principal.sees(lease.token_id):
        raise NotFound(f"there is no lease {lease.id}")
    return lease


def _owned(call: Call) -> Lease:
    """The lease named in the path, for who may use and end it."""
    lease = _of_caller(call)
    if not call.principal.owns(lease.token_id):
        raise NotFound(f"there is no lease {lease.id}")
    return lease


def _shown(lease: Lease) -> LeaseShown:
    return LeaseShown(
        id=lease.id,
        server_id=lease.server_id,
        client_id=lease.client_id,
        hostname=lease.hostname,
        user=lease.user,
        command=list(lease.command),
        hold=lease.hold,
        granted_at=lease.granted_at,
        **_resources(lease),
    )


def _grant(call: Call, active: ActiveLease) -> dict[str, Any]:
    """What the client needs to connect; the only place where a session key leaves the server."""
    context, lease = call.services, active.lease
    return {
        "id": lease.id,
        "key": active.key.hex(),
        "server_id": lease.server_id,
        "address": address_of(call.request),
        "dispatcher_port": context.dispatcher_port,
        "srs_port": context.srs_port,
        "version": bitfusion_core.__version__,
        "tls": lease.tls,
        "idle_timeout_min": int(context.clients.idle_limit_min(lease.client_id)),
        **_resources(lease),
    }


def _resources(lease: Lease) -> dict[str, Any]:
    return {"gpus": leased_gpus(lease), "memory_mib": lease.memory_mib, "fraction": lease.fraction}


def leased_gpus(lease: Lease) -> list[LeasedGpuShown]:
    """The GPUs of a lease."""
    return [LeasedGpuShown(gpu.index, gpu.uuid, gpu.name, gpu.memory_mib) for gpu in lease.gpus]
