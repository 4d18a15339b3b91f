"""Clients: look, disable, enable, delete, extend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from bitfusion_core.models import Lease
from bitfusion_server.administration.clients import ClientAdministration
from bitfusion_server.api.fields import PageQuery, Seconds
from bitfusion_server.api.routing import Call
from bitfusion_server.api.tasks import TaskShown
from bitfusion_server.api.tasks import shown as task_shown
from bitfusion_server.store.base import Client, ClientState

EXPIRED = "expired"


class ClientShown(msgspec.Struct, frozen=True):
    """A client. `state`: active, disabled, deleted, or expired; `version` of its software; `gpus_in_use` counts partitions by their share, as its quota does."""

    id: str
    token_id: str
    hostname: str
    user: str
    created_at: Seconds
    expires_at: Seconds | None
    state: str
    version: str
    gpu_quota: float
    idle_timeout_min: float
    gpus_in_use: float
    sessions: int


class ClientPage(msgspec.Struct, frozen=True):
    """Clients, oldest first, deleted ones too."""

    clients: list[ClientShown]
    next: str | None


class ExtendBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """By how much."""

    days: Annotated[int, Meta(ge=1, le=3650)] = 365


async def index(call: Call) -> ClientPage:
    """All clients, page by page."""
    query: PageQuery = call.query
    page = await _clients(call).list(query.limit, query.cursor)
    use = _use(call)
    return ClientPage([_shown(call, client, use) for client in page.items], page.next)


async def show(call: Call) -> ClientShown:
    """One client."""
    return _one(call, await _clients(call).get(call.id))


async def disable(call: Call) -> ClientShown:
    """It starts no new application; what runs goes on."""
    return _one(call, await _clients(call).disable(call.principal.name, call.id))


async def enable(call: Call) -> ClientShown:
    """It may start applications again."""
    return _one(call, await _clients(call).enable(call.principal.name, call.id))


async def delete(call: Call) -> None:
    """It is cut off at once and for good; its history stays."""
    await _clients(call).delete(call.principal.name, call.id)


async def extend(call: Call) -> TaskShown:
    """Every client that is not deleted may use the servers for so many days more."""
    body: ExtendBody = call.body

    async def work() -> str:
        return f"{await _clients(call).extend(call.principal.name, body.days)} clients extended by {body.days} days"

    return task_shown(await call.services.administration.tasks.start(call.principal.name, "extend the expiration of all clients", work))


def _clients(call: Call) -> ClientAdministration:
    return call.services.administration.clients


def _use(call: Call) -> Mapping[str, list[Lease]]:
    """The open leases of each client."""
    leases: defaultdict[str, list[Lease]] = defaultdict(list)
    for lease in call.services.leases.leases():
        leases[lease.client_id].append(lease)
    return leases


def _one(call: Call, client: Client) -> ClientShown:
    return _shown(call, client, _use(call))


def _shown(call: Call, client: Client, use: Mapping[str, list[Lease]]) -> ClientShown:
    leases = use.get(client.id, [])
    return ClientShown(
        id=client.id,
        token_id=client.token_id,
        hostname=client.hostname,
        user=client.user,
        created_at=client.created_at,
        expires_at=client.expires_at,
        state=EXPIRED if client.state is ClientState.ACTIVE and call.services.clients.expired(client.id) else client.state.value,
        version=client.version,
        gpu_quota=call.services.clients.quota(client.id),
        idle_timeout_min=call.services.clients.idle_limit_min(client.id),
        gpus_in_use=sum(lease.fraction * len(lease.gpus) for lease in leases),
        sessions=len(leases),
    )
