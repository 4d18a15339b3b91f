"""What a worker may tell the dispatcher, and what becomes of one that tells something else."""

from __future__ import annotations

import asyncio
import sys
import uuid
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bitfusion_server.dispatcher import workers
from bitfusion_server.dispatcher.cgroups import NoGroups
from bitfusion_server.dispatcher.sessions import Admission, Sessions
from bitfusion_server.dispatcher.workers import Worker, WorkerFailed

_ROGUE = """#!{python}
import os, signal, sys
os.write(int(sys.argv[3]), {message!r})
signal.pause()
"""


@pytest.mark.parametrize(
    "message",
    [b"x", b"[]", b"{}", b'{"op":"ready","pid":1,"spec_hash":"zz"}', b'{"op":"stats","calls":[1]}', b'{"op":"ready"}'],
)
def test_worker_that_sends_nonsense_is_killed(message: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, its end is reported once with the reason, and whoever waited for it is told."""
    rogue = tmp_path / "rogue"
    rogue.write_text(_ROGUE.format(python=sys.executable, message=message))
    rogue.chmod(0o755)
    monkeypatch.setattr(workers, "sys", SimpleNamespace(executable=str(rogue)))
    stats: list[dict[str, Any]] = []
    ended: list[Worker] = []

    async def start() -> None:
        worker = Worker(b"p" * 16, lambda _, figures: stats.append(figures), ended.append)
        with pytest.raises(WorkerFailed, match="nonsense"):
            await worker.start({"gpus": []}, None, partial(NoGroups("a test").add, "session"))
        await worker.stop("over")

    asyncio.run(start())

    assert not stats
    assert len(ended) == 1


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("executable", ["/nonexistent", "/bin/false"])
def test_failed_start_leaves_nothing(executable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a worker in the list nor a descriptor; the next connection tries again, and the session can be ended."""
    monkeypatch.setattr(workers, "sys", SimpleNamespace(executable=executable))
    admission = Admission("0f8fad5b-d9cb-469f-a165-70867728950e", bytes(32), (), 0, True)

    async def start() -> tuple[int, int]:
        sessions = Sessions(0, range(0), lambda _: None, NoGroups("a test"))
        sessions.admit(admission)
        session = sessions.find(uuid.UUID(admission.session).bytes)
        assert session is not None
        counts = []
        for _ in range(3):
            with pytest.raises(WorkerFailed, match=r"cannot be started|status 1"):
                await sessions.worker(session, b"p" * 16, may_start=True)
            counts.append(_open_descriptors())
            assert sessions.describe()[0]["workers"] == []
        await sessions.revoke(admission.session, "over")
        assert sessions.describe() == []
        return counts[0], counts[-1]

    first, last = asyncio.run(start())
    assert first == last
