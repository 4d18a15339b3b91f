"""What a worker may tell the dispatcher, and what becomes of one that tells something else."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bitfusion_server.dispatcher import workers
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
            await worker.start({"gpus": []}, None)
        await worker.stop("over")

    asyncio.run(start())

    assert not stats
    assert len(ended) == 1
