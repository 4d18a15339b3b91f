"""Leases: ask and wait, hold, look, end."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

import bitfusion_core
from bitfusion_core.errors import NotFound
from bitfusion_core.models import HOLD_LEASE, Lease
from bitfusion_server.api.bodies import LeaseBody, read_body
from bitfusion_server.api.context import PRINCIPAL, address_of, services
from bitfusion_server.api.lines import Lines
from bitfusion_server.api.middleware import REQUEST_ID, json_response
from bitfusion_server.sessions.session import Session
from bitfusion_server.sessions.ticket import Queued, Refused, Ticket, TimedOut
from bitfusion_server.store.base import ActiveLease

_HEARTBEAT_S = 1.0


async def create(request: web.Request) -> web.StreamResponse:
    """Wait for GPUs. Whoever closes the stream while waiting has cancelled; with `hold: connection` closing it later ends the lease."""
    context, principal = services(request), request[PRINCIPAL]
    body = await read_body(request, LeaseBody)
    if body.client_id is not None:
        await context.authenticator.check_client(principal, body.client_id)
    ticket = context.leases.request(body.request(), principal.token_id, body.client_id or "")
    lines = Lines(request, context.silence_s)
    try:
        await lines.open()
        await _until_decided(request, ticket, lines)
    except ConnectionError:
        return lines.response
    finally:
        if not ticket.taken:
            context.leases.cancel(ticket)
    return await lines.close()


async def hold(request: web.Request) -> web.StreamResponse:
    """Come back to a lease after the manager broke off."""
    context = services(request)
    lease = _own(request)
    lines = Lines(request, context.silence_s)
    try:
        async with context.leases.holding(lease.id) as session:
            await lines.open()
            await _keep_alive(session, lines)
    except ConnectionError:
        return lines.response
    return await lines.close()


async def index(request: web.Request) -> web.StreamResponse:
    """Leases of the caller; an administrator sees all."""
    principal = request[PRINCIPAL]
    return json_response({"leases": [_shown(lease) for lease in services(request).leases.leases() if principal.owns(lease.token_id)]})


async def show(request: web.Request) -> web.StreamResponse:
    """One lease."""
    return json_response(_shown(_own(request)))


async def delete(request: web.Request) -> web.StreamResponse:
    """End a lease; when the answer comes its workers are gone, unless they resist for long."""
    await services(request).leases.release(_own(request).id)
    return web.Response(status=204)


async def _until_decided(request: web.Request, ticket: Ticket, lines: Lines) -> None:
    """Tell the client what happens to its request."""
    async for event in ticket.events():
        if isinstance(event, Queued):
            await lines.send(event="queued", place=event.place, reason=event.reason, waited_s=event.waited_s)
        elif isinstance(event, TimedOut):
            await lines.send(event="timeout", reason=event.reason, waited_s=event.waited_s)
        elif isinstance(event, Refused):
            await lines.send(event="refused", problem=event.error.problem(request[REQUEST_ID]))
        else:
            await _hand_over(request, ticket, event.active, lines)


async def _hand_over(request: web.Request, ticket: Ticket, active: ActiveLease, lines: Lines) -> None:
    """The lease is taken once its client has been told, or from the moment its life hangs on the connection."""
    granted = _grant(request, active)
    if active.lease.hold == HOLD_LEASE:
        await lines.send(event="granted", lease=granted)
        ticket.taken = True
        return
    async with services(request).leases.holding(active.lease.id) as session:
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


def _own(request: web.Request) -> Lease:
    """The lease named in the path; a stranger's does not exist for the caller."""
    lease = services(request).leases.session(request.match_info["id"]).lease
    if not request[PRINCIPAL].owns(lease.token_id):
        raise NotFound(f"there is no lease {lease.id}")
    return lease


def _shown(lease: Lease) -> dict[str, Any]:
    return {
        "id": lease.id,
        "server_id": lease.server_id,
        "client_id": lease.client_id,
        "hostname": lease.hostname,
        "user": lease.user,
        "command": lease.command,
        "hold": lease.hold,
        "granted_at": lease.granted_at,
        **_resources(lease),
    }


def _grant(request: web.Request, active: ActiveLease) -> dict[str, Any]:
    """What the client needs to connect; the only place where a session key leaves the server."""
    context, lease = services(request), active.lease
    return {
        "id": lease.id,
        "key": active.key.hex(),
        "server_id": lease.server_id,
        "address": address_of(request),
        "dispatcher_port": context.dispatcher_port,
        "srs_port": context.srs_port,
        "version": bitfusion_core.__version__,
        "tls": lease.tls,
        "idle_timeout_min": context.idle_timeout_min,
        **_resources(lease),
    }


def _resources(lease: Lease) -> dict[str, Any]:
    return {
        "gpus": [{"index": gpu.index, "uuid": gpu.uuid, "name": gpu.name, "memory_mib": gpu.memory_mib} for gpu in lease.gpus],
        "memory_mib": lease.memory_mib,
        "fraction": lease.fraction,
    }
