"""kill -9 of a process that writes: what the store has confirmed is there, and everything in it is consistent."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from bitfusion_server.store.base import GLOBAL
from bitfusion_server.store.sqlite import SqliteStore

WRITER = Path(__file__).with_name("writer.py")
LONGEST_LIFE_S = 0.15


class Killed:
    """One file, written to by one process after the other."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.confirmed: dict[str, set[str]] = defaultdict(set)
        self.next = 0

    def kill_once(self) -> None:
        """Let a process write for a random while, at least until its first write, and kill it."""
        command = [sys.executable, str(WRITER), str(self.path), str(self.next)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(self.random.uniform(0, LONGEST_LIFE_S))  # not to wait for something: the moment of death is what is random
            process.kill()
            for line in (first, *process.stdout):
                if line.endswith("\n"):
                    what, name = line.split()
                    self.confirmed[what].add(name)
        self.next = max(map(int, self.confirmed["open"])) + 10

    async def check(self) -> None:
        """The file is whole, confirmed writes are there, no lease is open and ended at once, and nobody's key outlives the lease."""
        store = SqliteStore(self.path)
        await store.open()
        opened = await store.active_leases("s1")
        ended = (await store.ended_leases(1_000_000)).items
        audit = (await store.audit(1_000_000)).items
        setting = (await store.settings()).get(GLOBAL, {}).get("last", "0")
        await store.close()

        active, past = {one.lease.id for one in opened}, [one.lease.id for one in ended]
        assert len(past) == len(set(past))
        assert not active & set(past)
        assert self.confirmed["open"] <= active | set(past)
        assert self.confirmed["closed"] <= set(past)
        assert self.confirmed["kept"] - set(past) <= {one.lease.id for one in opened if one.kept}
        assert self.confirmed["audit"] <= {entry.subject for entry in audit}
        assert int(setting) >= max(map(int, self.confirmed["setting"]), default=0) - 3  # lives that run at once overtake each other

    def integrity(self) -> str:
        """What SQLite itself finds."""
        with sqlite3.connect(self.path) as db:
            return str(db.execute("PRAGMA integrity_check").fetchone()[0])


async def die(path: Path, times: int, seed: int) -> None:
    """Kill and check, again and again."""
    print(f"seed {seed}")
    killed = Killed(path, seed)
    for number in range(times):
        await asyncio.to_thread(killed.kill_once)
        assert await asyncio.to_thread(killed.integrity) == "ok", f"after kill {number}"
        await killed.check()


async def test_kills(tmp_path: Path) -> None:
    """A few times, each at another moment."""
    await die(tmp_path / "store.db", 3, random.randrange(1 << 30))


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_many_kills(tmp_path: Path) -> None:
    """200 times."""
    await die(tmp_path / "store.db", 200, random.randrange(1 << 30))
