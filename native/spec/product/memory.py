"""Memory that the header's calls name by what means nothing to the other machine, and memory that both machines use."""

from __future__ import annotations

from native.spec.model import LIBRARY, MEMORY, CallClass, Run, bytes_out, handle, mint, out, product, text_in, value

SYNC = CallClass.SYNC

_RANGE = (value("base", "uint64_t"), value("size", "uint64_t"))

ROWS = (
    product("MemoryRetain", SYNC, mint("memory", MEMORY), value("address", "uint64_t")),
    product("MemoryChanged", SYNC, *_RANGE, value("begin", "uint64_t"), bytes_out("reply"), run=Run.BLOCKING),
    product("HostMap", SYNC, *_RANGE, out("address", "uint64_t"), run=Run.BLOCKING),
    product("HostUnmap", SYNC, value("address", "uint64_t"), run=Run.BLOCKING),
    product("RangeAttribute", SYNC, *_RANGE, value("attribute", "int"), value("room", "uint64_t"), bytes_out("reply")),
    product("ModuleManaged", SYNC, handle("library", LIBRARY), text_in("name"), out("address", "uint64_t"), out("size", "uint64_t")),
)
