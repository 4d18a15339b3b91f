"""Sessions as administrators see them: who uses which GPUs, for what, how much."""

from __future__ import annotations

import msgspec

from bitfusion_core.errors import NotFound
from bitfusion_core.models import Lease
from bitfusion_server.api.fields import PageQuery, Seconds
from bitfusion_server.api.leases import LeasedGpuShown, leased_gpus
from bitfusion_server.api.routing import Call
from bitfusion_server.sessions.session import Session

TERMINATED = "terminated by an administrator"


class SessionShown(msgspec.Struct, frozen=True):
    """A running session. Bytes are those of its data connections, `bytes_in` towards the server."""

    id: str
    server_id: str
    client_id: str
    token_id: str
    hostname: str
    user: str
    command: list[str]
    gpus: list[LeasedGpuShown]
    memory_mib: int
    fraction: float
    since: Seconds
    last_activity: Seconds
    processes: int
    calls: int
    bytes_in: int
    bytes_out: int
    ending: str


class SessionList(msgspec.Struct, frozen=True):
    """Running sessions, oldest first."""

    sessions: list[SessionShown]


class EndedSession(msgspec.Struct, frozen=True):
    """A session of the past."""

    id: str
    server_id: str
    client_id: str
    token_id: str
    hostname: str
    user: str
    command: list[str]
    gpus: list[LeasedGpuShown]
    memory_mib: int
    fraction: float
    since: Seconds
    ended_at: Seconds
    reason: str


class EndedSessionPage(msgspec.Struct, frozen=True):
    """Sessions of the past, newest first."""

    sessions: list[EndedSession]
    next: str | None


async def index(call: Call) -> SessionList:
    """Every running session."""
    leases = call.services.leases
    return SessionList([_shown(call, leases.session(lease.id)) for lease in leases.leases()])


async def show(call: Call) -> SessionShown:
    """One running session."""
    return _shown(call, _session(call))


async def terminate(call: Call) -> None:
    """End a session; when the answer comes its workers are gone, unless they resist for long. Its application gets an error."""
    session = _session(call)
    await call.services.leases.release(session.lease.id, TERMINATED)
    await call.services.administration.audit.record(
        call.principal.name,
        "session.terminate",
        f"session {session.lease.id}",
        {"user": session.lease.user, "client_id": session.lease.client_id},
    )


async def ended(call: Call) -> EndedSessionPage:
    """Sessions of the past, also those of deleted clients."""
    query: PageQuery = call.query
    page = await call.services.store.ended_leases(query.limit, query.cursor)
    return EndedSessionPage([_ended(row.lease, row.ended_at, row.reason) for row in page.items], page.next)


def _session(call: Call) -> Session:
    try:
        return call.services.leases.session(call.id)
    except NotFound as error:
        raise NotFound(f"there is no session {call.id}", hint="It has ended.") from error


def _shown(call: Call, session: Session) -> SessionShown:
    lease, work = session.lease, session.work
    return SessionShown(
        id=lease.id,
        server_id=lease.server_id,
        client_id=lease.client_id,
        token_id=lease.token_id,
        hostname=lease.hostname,
        user=lease.user,
        command=list(lease.command),
        gpus=leased_gpus(lease),
        memory_mib=lease.memory_mib,
        fraction=lease.fraction,
        since=lease.granted_at,
        last_activity=call.services.wall_clock() - call.services.leases.idle_s(session),
        processes=session.processes,
        calls=work.calls,
        bytes_in=work.bytes_in,
        bytes_out=work.bytes_out,
        ending=session.reason,
    )


def _ended(lease: Lease, ended_at: float, reason: str) -> EndedSession:
    return EndedSession(
        id=lease.id,
        server_id=lease.server_id,
        client_id=lease.client_id,
        token_id=lease.token_id,
        hostname=lease.hostname,
        user=lease.user,
        command=list(lease.command),
        gpus=leased_gpus(lease),
        memory_mib=lease.memory_mib,
        fraction=lease.fraction,
        since=lease.granted_at,
        ended_at=ended_at,
        reason=reason,
    )
