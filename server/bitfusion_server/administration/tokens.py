"""The life of access tokens: create, show, download, change, activate and deactivate, delete."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bitfusion_core.errors import Conflict, InvalidValue, NotFound
from bitfusion_server.administration.audit import Audit
from bitfusion_server.auth import tokens
from bitfusion_server.auth.clients import Clients
from bitfusion_server.auth.tokens import NewToken, TokenKey
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import GLOBAL, Role, Store, Token

REVOKED = "the access token was deleted"


@dataclass(frozen=True)
class Reachable:
    """What a client has to know of the servers: their authority and, best first, the addresses of each."""

    authority: Callable[[], bytes]
    addresses: tuple[str, ...]


class TokenAdministration:
    """Tokens that administrators manage; logins are not among them."""

    def __init__(
        self,
        store: Store,
        settings: LiveSettings,
        key: TokenKey,
        clients: Clients,
        leases: LeaseService,
        audit: Audit,
        reachable: Reachable,
        wall_clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._settings = settings
        self._key = key
        self._clients = clients
        self._leases = leases
        self._audit = audit
        self._reachable = reachable
        self._wall_clock = wall_clock

    async def list(self) -> tuple[Token, ...]:
        """All, oldest first."""
        return tuple(token for token in await self._store.tokens() if not token.user)

    async def get(self, token_id: str) -> Token:
        """A token by its id."""
        token = await self._store.token(token_id)
        if token is None or token.user:
            raise NotFound(f"there is no token {token_id}")
        return token

    async def create(self, actor: str, role: Role, description: str, lifetime_days: int | None) -> NewToken:
        """A new token. Without a lifetime a client's has that of the settings, any other has no end."""
        if lifetime_days is None and role is Role.CLIENT:
            lifetime_days = self._settings.of(GLOBAL).integer("token.lifetime_days")
        key = self._key if role is Role.CLIENT else None
        new = await tokens.issue(self._store, role, description, self._wall_clock(), lifetime_days, key=key)
        await self._audit.record(actor, "token.create", f"token {new.token.id}", None, new.token)
        return new

    async def change(self, actor: str, token_id: str, changes: Mapping[str, Any]) -> Token:
        """Change description, expiry or activity."""
        before = await self.get(token_id)
        after = dataclasses.replace(before, **changes)
        if after != before:
            if not await self._store.replace_token(after, before):
                raise Conflict(f"token {token_id} has been changed by somebody else")
            await self._audit.record(actor, "token.change", f"token {token_id}", before, after)
        self._revoke(token_id, revoked=not after.active)
        return after

    async def delete(self, actor: str, token_id: str) -> None:
        """It is no longer good for anything, and what runs with it ends."""
        token = await self.get(token_id)
        if await self._store.delete_token(token_id):
            await self._audit.record(actor, "token.delete", f"token {token_id}", token)
        self._revoke(token_id, revoked=True)
        await self._leases.end_of_token(token_id, REVOKED)

    def _revoke(self, token_id: str, *, revoked: bool) -> None:
        self._clients.revoke(token_id, revoked=revoked)
        self._leases.refuse_waiting()

    async def download(self, actor: str, token_id: str) -> bytes:
        """The files that enable a client, as a tar file."""
        token = await self.get(token_id)
        if token.role is not Role.CLIENT:
            raise InvalidValue(
                f"token {token_id} has the role {token.role}, it enables no client", hint="Create a token of the role client."
            )
        text = tokens.text_again(token, self._key)
        await self._audit.record(actor, "token.download", f"token {token_id}")
        authority = await asyncio.to_thread(self._reachable.authority)
        return client_files(text, authority, self._reachable.addresses, self._wall_clock())


def client_files(text: str, authority: bytes, addresses: Iterable[str], now: float) -> bytes:
    """A tar file of `ca.crt`, `client.yaml` and `servers.conf`; only its owner may read the one with the token."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content, mode in (
            ("ca.crt", authority, 0o644),
            ("client.yaml", f"access_token: {text}\n".encode(), 0o600),
            ("servers.conf", _servers_conf(addresses).encode(), 0o644),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, int(now)
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def _servers_conf(addresses: Iterable[str]) -> str:
    known = list(addresses)
    return "\n".join(["servers:", f"- reachable: {known[0]}", "  addresses:", *(f"  - {address}" for address in known), ""])
