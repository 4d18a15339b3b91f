"""Client identities: claimed at first use, the same for ever."""

from __future__ import annotations

import uuid

from bitfusion_core.errors import ClientRefused, InvalidValue
from bitfusion_server.auth.access import Principal
from bitfusion_server.store.base import Client, ClientState, Store


async def claim(store: Store, principal: Principal, client_id: str | None, hostname: str, user: str, now: float) -> Client:
    """The client with this id, or a new one; a deleted client is refused at once.

    An id this server does not know is adopted: the client may have claimed it before the server's data was set up anew.
    """
    wanted = str(uuid.uuid4()) if client_id is None else _canonical(client_id)
    client = await store.client(wanted)
    if client is None:  # Only the first claim has to be written, and waited for.
        await store.insert_client(Client(wanted, principal.token_id, hostname, user, now))
        client = await store.client(wanted)
    if client is None or client.token_id != principal.token_id:
        raise ClientRefused(f"client id {wanted} belongs to another token", hint="Remove client.yaml to claim a new id.")
    if client.state is ClientState.DELETED:
        raise ClientRefused(f"client {wanted} was deleted")
    return client


def _canonical(client_id: str) -> str:
    try:
        return str(uuid.UUID(client_id))
    except ValueError as error:
        raise InvalidValue(f"client id {client_id!r} is not a UUID", hint="Remove client.yaml to claim a new id.") from error
