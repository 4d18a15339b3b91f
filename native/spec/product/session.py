"""What the client learns of the server in one round trip."""

from __future__ import annotations

from native.spec.model import CallClass, bytes_out, product

ROWS = (product("Snapshot", CallClass.SYNC, bytes_out("reply")),)
