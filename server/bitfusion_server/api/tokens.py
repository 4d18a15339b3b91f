"""Access tokens: create, look, download, change, delete."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from bitfusion_server.administration.tokens import TokenAdministration
from bitfusion_server.api.fields import Description, Seconds
from bitfusion_server.api.routing import Answer, Call
from bitfusion_server.store.base import Role, Token

TAR = "application/x-tar"


class TokenShown(msgspec.Struct, frozen=True):
    """A token without its text."""

    id: str
    role: str
    description: str
    created_at: Seconds
    expires_at: Seconds | None
    active: bool


class TokenCreated(msgspec.Struct, frozen=True):
    """A new token. `text` is shown only here."""

    token: TokenShown
    text: str


class TokenList(msgspec.Struct, frozen=True):
    """Tokens, oldest first."""

    tokens: list[TokenShown]


class TokenBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the token is for. Without `lifetime_days` a client's lasts as the settings say, any other for ever."""

    role: Literal["administrator", "operator", "viewer", "client"] = "client"
    description: Description = ""
    lifetime_days: Annotated[int, Meta(ge=1, le=36500)] | None = None


class TokenChange(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is left out stays as it is; `expires_at` null: never."""

    description: Description | UnsetType = UNSET
    expires_at: Annotated[float, Meta(ge=0, le=1000000000000.0)] | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET


def given(body: msgspec.Struct) -> dict[str, Any]:
    """The fields of a change that were sent."""
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}


async def index(call: Call) -> TokenList:
    """All tokens but logins."""
    return TokenList([_shown(token) for token in await _tokens(call).list()])


async def create(call: Call) -> Answer:
    """A new token; its text is in this answer only."""
    body: TokenBody = call.body
    new = await _tokens(call).create(call.principal.name, Role(body.role), body.description, body.lifetime_days)
    return Answer(TokenCreated(_shown(new.token), new.text), headers={"Location": f"/v1/tokens/{new.token.id}"})


async def show(call: Call) -> TokenShown:
    """One token."""
    return _shown(await _tokens(call).get(call.id))


async def change(call: Call) -> TokenShown:
    """Change description or expiry, activate or deactivate. With an inactive token nothing new can be done; what runs goes on."""
    return _shown(await _tokens(call).change(call.principal.name, call.id, given(call.body)))


async def delete(call: Call) -> None:
    """It is good for nothing any more, and what was started with it is cut off."""
    await _tokens(call).delete(call.principal.name, call.id)


async def download(call: Call) -> web.Response:
    """The files that enable a client, as `<id>.tar`: ca.crt, client.yaml, servers.conf."""
    archive = await _tokens(call).download(call.principal.name, call.id)
    return web.Response(body=archive, content_type=TAR, headers={"Content-Disposition": f'attachment; filename="{call.id}.tar"'})


def _tokens(call: Call) -> TokenAdministration:
    return call.services.administration.tokens


def _shown(token: Token) -> TokenShown:
    return TokenShown(token.id, token.role.value, token.description, token.created_at, token.expires_at, token.active)
