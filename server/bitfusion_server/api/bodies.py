"""Request bodies: checked completely before a service sees them. Unknown fields are refused."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from bitfusion_core import filters
from bitfusion_core.errors import InvalidRequest
from bitfusion_core.models import DEFAULT_WAIT_S, MAX_GPUS_PER_REQUEST, LeaseRequest

T = TypeVar("T", bound=msgspec.Struct)

MAX_BODY_BYTES = 1 << 20
_READ_TIMEOUT_S = 15.0
_COMMAND_KEPT = 64

Name = Annotated[str, Meta(max_length=255)]
Words = Annotated[list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(min_length=1, max_length=64)]


class ClaimBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`POST /claim_id`."""

    hostname: Name
    user: Name
    client_id: Annotated[str, Meta(max_length=64)] | None = None


class LeaseBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`POST /v1/leases`."""

    gpus: Annotated[int, Meta(ge=1, le=MAX_GPUS_PER_REQUEST)]
    hostname: Name
    user: Name
    hold: Literal["connection", "lease"] = "connection"
    fraction: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    memory_mib: Annotated[int, Meta(ge=1, le=1 << 30)] | None = None
    filters: Annotated[dict[str, Words], Meta(max_length=16)] = {}
    timeout_s: Annotated[float, Meta(ge=0.0, le=31_536_000.0)] = DEFAULT_WAIT_S
    command: list[str] = []
    client_id: Annotated[str, Meta(max_length=64)] | None = None

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
            command=tuple(word[:1024] for word in self.command[:_COMMAND_KEPT]),
            hostname=self.hostname,
            user=self.user,
        )


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The body as a checked value; one that arrives too slowly is refused."""
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            raw = await request.read()
    except TimeoutError as error:
        raise InvalidRequest("the body did not arrive in time", hint="Send the request again.") from error
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body cannot be used: {error}") from error
