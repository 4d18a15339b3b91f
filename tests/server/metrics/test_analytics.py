"""The history service as a process."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bitfusion_core.metrics import WINDOWS, Sample, Subject
from bitfusion_server.commands import analytics
from bitfusion_server.data_directory import DataDirectory
from bitfusion_server.store.samples import Point


async def fill(data: DataDirectory, start: float) -> None:
    """A server that has reported for two minutes."""
    store = data.store()
    await store.open()
    samples = (Sample(start + offset, {"server_gpus": {"": 2.0}}) for offset in range(0, 120, 5))
    await store.samples.put(WINDOWS[0], [Point(Subject.SERVER, "s1", sample) for sample in samples])
    await store.close()


async def rolled(data: DataDirectory) -> int:
    """How many half minutes there are."""
    store = data.store()
    await store.open()
    found = await store.samples.read(WINDOWS[1], Subject.SERVER, "s1", 0.0, 1e12)
    await store.close()
    return len(found)


def test_once(tmp_path: Path) -> None:
    """What is due is done, in a store that another process has written."""
    data = DataDirectory(tmp_path)
    asyncio.run(fill(data, time.time() - 150))

    assert analytics.main(["--data", str(tmp_path), "--once", "--log-level", "error"]) == 0

    assert asyncio.run(rolled(data)) in (4, 5)


def test_no_data_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong directory is an error that says so."""
    assert analytics.main(["--data", str(tmp_path / "none"), "--once", "--log-level", "error"]) != 0
    assert "there is no data directory" in capsys.readouterr().err


def test_process(tmp_path: Path) -> None:
    """It runs until it is told to stop."""
    asyncio.run(fill(DataDirectory(tmp_path), time.time() - 150))
    command = [sys.executable, "-m", "bitfusion_server.command", "analytics", "--data", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "history service ready" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
