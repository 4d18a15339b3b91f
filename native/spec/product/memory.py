"""Memory that the header's calls name by what means nothing to the other machine."""

from __future__ import annotations

from native.spec.model import MEMORY, CallClass, mint, product, value

SYNC = CallClass.SYNC

ROWS = (product("MemoryRetain", SYNC, mint("memory", MEMORY), value("address", "uint64_t")),)
