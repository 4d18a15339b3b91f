"""Disable, enable, delete and extend clients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from bitfusion_core.errors import Conflict, NotFound
from bitfusion_server.administration.audit import Audit
from bitfusion_server.auth.clients import Clients
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import Client, ClientState, Page, Store

_DAY_S = 86400.0
_ATTEMPTS = 5
_EXTENDED_AT_ONCE = 200

DELETED = "the client was deleted"


class ClientAdministration:
    """A client is active, disabled (starts nothing new; what runs goes on) or deleted (cut off at once, for good; its history stays)."""

    def __init__(self, store: Store, clients: Clients, leases: LeaseService, audit: Audit, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._clients = clients
        self._leases = leases
        self._audit = audit
        self._wall_clock = wall_clock

    async def get(self, client_id: str) -> Client:
        """A client by its id."""
        client = await self._store.client(client_id)
        if client is None:
            raise NotFound(f"there is no client {client_id}")
        return client

    async def list(self, limit: int, start: str | None) -> Page[Client]:
        """Clients, oldest first."""
        return await self._store.clients(limit, start)

    async def disable(self, actor: str, client_id: str) -> Client:
        """It starts nothing from now on; what it waits for it does not get; what runs goes on."""
        client = await self._become(actor, client_id, ClientState.DISABLED, "client.disable")
        self._leases.refuse_waiting()
        return client

    async def enable(self, actor: str, client_id: str) -> Client:
        """A disabled client may start applications again."""
        return await self._become(actor, client_id, ClientState.ACTIVE, "client.enable")

    async def delete(self, actor: str, client_id: str) -> None:
        """Cut it off at once. When this returns its sessions are gone, unless they resist for long."""
        await self._become(actor, client_id, ClientState.DELETED, "client.delete")
        self._leases.refuse_waiting()
        await self._leases.end_of_client(client_id, DELETED)

    async def extend(self, actor: str, days: int) -> int:
        """All clients that are not deleted may use the servers for longer, by so many days, and their tokens last as long; how many those were."""
        until: dict[str, float] = {}
        extended, start = 0, None
        while True:
            page = await self._store.clients(_EXTENDED_AT_ONCE, start)
            for client in page.items:
                expires_at = await self._extend_one(client.id, days)
                if expires_at is not None:
                    extended += 1
                    until[client.token_id] = max(expires_at, until.get(client.token_id, 0.0))
            if page.next is None:
                break
            start = page.next
        for token_id, expires_at in until.items():
            await self._extend_token(token_id, expires_at)
        await self._audit.record(actor, "client.extend", "all clients", None, {"days": days, "clients": extended})
        return extended

    async def _extend_one(self, client_id: str, days: int) -> float | None:
        """The new end; None where there is none or it cannot be moved."""
        now = self._wall_clock()

        def extended(client: Client) -> Client:
            if client.state is ClientState.DELETED or client.expires_at is None:
                return client
            return dataclasses.replace(client, expires_at=max(client.expires_at, now) + days * _DAY_S)

        before, after = await self._change(client_id, extended)
        self._clients.remember(after)
        return after.expires_at if before != after else None

    async def _extend_token(self, token_id: str, until: float) -> None:
        for _ in range(_ATTEMPTS):
            token = await self._store.token(token_id)
            if token is None or token.expires_at is None or token.expires_at >= until:
                return
            if await self._store.replace_token(dataclasses.replace(token, expires_at=until), token):
                return
        raise Conflict(f"token {token_id} is being changed by others")

    async def _become(self, actor: str, client_id: str, state: ClientState, action: str) -> Client:
        def changed(client: Client) -> Client:
            if client.state is ClientState.DELETED and state is not ClientState.DELETED:
                raise Conflict(f"client {client_id} was deleted", hint="A deleted client does not come back; enable the machine again.")
            return dataclasses.replace(client, state=state)

        before, after = await self._change(client_id, changed)
        self._clients.remember(after)
        if before != after:
            await self._audit.record(actor, action, f"client {client_id}", before, after)
        return after

    async def _change(self, client_id: str, change: Callable[[Client], Client]) -> tuple[Client, Client]:
        """Read, change, write if it is still what was read; again if somebody was faster."""
        for _ in range(_ATTEMPTS):
            before = await self.get(client_id)
            after = change(before)
            if before == after or await self._store.replace_client(after, before):
                return before, after
        raise Conflict(f"client {client_id} is being changed by others")
