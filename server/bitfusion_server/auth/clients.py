"""Client identities: claimed at first use, the same for ever; and who of them may start something now."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable

from bitfusion_core.errors import BitfusionError, ClientRefused, InvalidValue, Unauthenticated
from bitfusion_server.auth import tokens
from bitfusion_server.auth.access import Permission, Principal
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import Client, ClientState, Role, Store

_DAY_S = 86400.0
_PAGE = 1000

_CLAIM_AGAIN = "Remove client.yaml to claim a new id."


class Clients:
    """The clients of this server. Who may start something, and until when, is known in memory, so that a decision needs no store."""

    def __init__(self, store: Store, settings: LiveSettings, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._wall_clock = wall_clock
        self._barred: dict[str, ClientState] = {}
        self._expires_at: dict[str, float] = {}
        self._revoked: set[str] = set()

    async def load(self) -> None:
        """Learn who is barred, and who will be."""
        start: str | None = None
        while True:
            page = await self._store.clients(_PAGE, start)
            for client in page.items:
                self.remember(client)
            if page.next is None:
                return
            start = page.next

    def remember(self, client: Client) -> None:
        """This is what holds for the client from now on."""
        self._barred.pop(client.id, None)
        self._expires_at.pop(client.id, None)
        if client.state is not ClientState.ACTIVE:
            self._barred[client.id] = client.state
        if client.expires_at is not None:
            self._expires_at[client.id] = client.expires_at

    def revoke(self, token_id: str, *, revoked: bool) -> None:
        """The token is good for nothing new from now on, or again; a request that was let in before is refused as well."""
        if revoked:
            self._revoked.add(token_id)
        else:
            self._revoked.discard(token_id)

    def refusal(self, client_id: str, token_id: str) -> BitfusionError | None:
        """Why a client with this token may start nothing at this moment, or None."""
        if token_id in self._revoked:
            return Unauthenticated("the access token was revoked")
        state = self._barred.get(client_id)
        if state is not None:
            return ClientRefused(f"client {client_id} is {state}")
        return tokens.expired(self._expires_at.get(client_id), self._wall_clock())

    def expired(self, client_id: str) -> bool:
        """Has its time run out?"""
        return tokens.expired(self._expires_at.get(client_id), self._wall_clock()) is not None

    def quota(self, client_id: str) -> float:
        """How many GPUs it may have at once."""
        return self._settings.client(client_id).number("client.gpu_quota")

    def idle_limit_min(self, client_id: str) -> float:
        """Minutes without GPU work after which its sessions end; 0: never."""
        return self._settings.client(client_id).number("lease.idle_timeout_min")

    async def claim(self, principal: Principal, client_id: str | None, hostname: str, user: str, version: str = "") -> Client:
        """The client with this id, or a new one; a deleted client is refused at once.

        An id this server does not know is adopted: the client may have claimed it before the server's data was set up anew.
        """
        now = self._wall_clock()
        wanted = str(uuid.uuid4()) if client_id is None else _canonical(client_id)
        client = await self._store.client(wanted)
        if client is None:  # only the first claim has to be written, and waited for
            lifetime_s = self._settings.integer("client.lifetime_days") * _DAY_S
            new = Client(wanted, principal.token_id, hostname, user, now, expires_at=now + lifetime_s, version=version)
            if await self._store.insert_client(new):
                self.remember(new)
            client = await self._store.client(wanted)
        if client is None or client.token_id != principal.token_id:
            raise ClientRefused(f"client id {wanted} belongs to another token", hint=_CLAIM_AGAIN)
        if client.state is ClientState.DELETED:
            raise ClientRefused(f"client {wanted} was deleted")
        tokens.refuse_expired(client.expires_at, now)
        return await self._with_version(client, version)

    async def _with_version(self, client: Client, version: str) -> Client:
        """Note the version of its software when it is another than the last time. If somebody changes the client meanwhile, the next claim does."""
        updated = dataclasses.replace(client, version=version)
        return updated if version and updated != client and await self._store.replace_client(updated, client) else client

    async def check(self, principal: Principal, client_id: str | None) -> None:
        """Refuse a client id that is missing, unknown, someone else's, barred or expired."""
        if client_id is None:
            if principal.role is Role.CLIENT:
                raise ClientRefused("a client has to name itself", hint="Claim a client id first and send it as 'client_id'.")
            return
        client = await self._store.client(client_id)
        if client is None or (client.token_id != principal.token_id and not principal.may(Permission.OPERATE)):
            raise ClientRefused(f"client id {client_id} is not known for this token", hint=_CLAIM_AGAIN)
        if client.state is not ClientState.ACTIVE:
            raise ClientRefused(f"client {client_id} is {client.state}")
        tokens.refuse_expired(client.expires_at, self._wall_clock())


def _canonical(client_id: str) -> str:
    try:
        return str(uuid.UUID(client_id))
    except ValueError as error:
        raise InvalidValue(f"client id {client_id!r} is not a UUID", hint=_CLAIM_AGAIN) from error
