"""Types of fields that several bodies and answers share."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(max_length=255)]
Description = Annotated[str, Meta(max_length=1000)]
ClientId = Annotated[str, Meta(max_length=64)]
Seconds = Annotated[float, Meta(description="seconds since 1970-01-01T00:00Z")]
Cursor = Annotated[str, Meta(max_length=100)]


class PageQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which part of a list. `cursor` is the `next` of the part before."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None
