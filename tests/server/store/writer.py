"""A process that writes to a store for ever and says what has become durable; it is there to be killed.

`python writer.py FILE FIRST`: leases are numbered from FIRST on. Each line on standard output is a write that the store has confirmed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bitfusion_core.models import Lease, LeasedGpu
from bitfusion_server.store.base import GLOBAL, ActiveLease, AuditEntry
from bitfusion_server.store.sqlite import SqliteStore

AT_ONCE = 4


def active(name: str) -> ActiveLease:
    """A lease of one GPU."""
    gpus = (LeasedGpu(0, "GPU-0", "Model", 1000, 1000),)
    return ActiveLease(Lease(name, "s1", "T", "c1", gpus, 1000, 0.1, "lease", "host", "ann", (), 1.0), b"k" * 32)


def say(*words: str) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def life(store: SqliteStore, name: str) -> None:
    """Open a lease, confirm it, write beside it, and close every second one."""
    await store.open_lease(active(name))
    say("open", name)
    await store.keep_lease(name)
    say("kept", name)
    await store.append_audit(AuditEntry(1.0, "a", "lease", name))
    say("audit", name)
    before = (await store.settings()).get(GLOBAL, {})
    if await store.replace_settings(GLOBAL, {"last": name}, before):
        say("setting", name)
    if int(name) % 2:
        await store.close_lease(name, 2.0, "done")
        say("closed", name)


async def main() -> None:
    """Write until killed; several lives at once, so that writes share transactions."""
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    number = int(sys.argv[2])
    while True:
        await asyncio.gather(*(life(store, str(number + offset)) for offset in range(AT_ONCE)))
        number += AT_ONCE


if __name__ == "__main__":
    asyncio.run(main())
