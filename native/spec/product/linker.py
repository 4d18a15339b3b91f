"""The JIT linker."""

from __future__ import annotations

from native.spec.model import LINK_STATE, CallClass, Run, bulk, bytes_in, bytes_out, drop, handle, mint, product, text_in, value

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

# Every answer begins with the two logs as they are now.
ROWS = (
    product("LinkCreate", SYNC, mint("state", LINK_STATE), value("request", "LinkRequest"), bytes_in("options"), run=Run.BLOCKING),
    product(
        "LinkAdd",
        SYNC,
        handle("state", LINK_STATE),
        value("kind", "uint32_t"),
        text_in("name"),
        bytes_in("options"),
        bulk("data"),
        bytes_out("reply"),
        run=Run.BLOCKING,
    ),
    # The image's size, and a part of it from `offset` on.
    product("LinkComplete", SYNC, handle("state", LINK_STATE), value("offset", "uint64_t"), bytes_out("reply"), run=Run.BLOCKING),
    product("LinkDestroy", ASYNC, drop("state", LINK_STATE), run=Run.BLOCKING),
)
