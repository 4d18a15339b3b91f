"""A server that root started runs its workers as nobody, each session as another nobody."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from tests.cuda_builder import Builder
from tests.demo import Demo
from tests.server.dispatcher.test_privileges import as_root, status
from tools import shared_python
from tools.server import marked_processes

pytestmark = [pytest.mark.gpu, as_root]


def _workers(demo: Demo) -> list[int]:
    """Process ids of the server's workers."""
    found = []
    for pid in marked_processes(Path(demo.handle.data).parent):
        with contextlib.suppress(OSError):
            if b"bitfusion_server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def test_applications_run_as_users_of_their_own(program: Builder, demo: Demo) -> None:
    """Two sessions at a time have two unprivileged users; kernels are compiled and run under them."""
    if shared_python.find() is None:
        pytest.skip("this checkout is not open to other users")
    holders = [demo.start("run", "-n", "1", "-p", "0.5", "--", str(program("hold")), "forever") for _ in range(2)]
    try:
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline().startswith("cudaSuccess")
        workers = [status(pid) for pid in _workers(demo)]
    finally:
        for holder in holders:
            holder.terminate()
            holder.communicate()

    uids = {int(worker["Uid"][0]) for worker in workers}
    assert len(workers) == len(uids) == 2
    assert 0 not in uids
    assert all(set(worker["Uid"] + worker["Gid"]) == {worker["Uid"][0]} for worker in workers)
    assert all(worker["Groups"] == [] and worker["NoNewPrivs"] == ["1"] for worker in workers)
    assert all(int(worker["CapEff"][0], 16) == 0 for worker in workers)


def test_a_worker_cannot_read_the_servers_secrets(demo: Demo) -> None:
    """Its user may neither list the server's data nor read a file in it."""
    data = Path(demo.handle.data)
    files = [data, data / "store.db", data / "admin.token", data / "run" / "dispatcher.sock"]
    assert all(path.exists() for path in files)
    readable = subprocess.run(
        ["sh", "-c", 'for file; do test -r "$file" && echo "$file"; done', "sh", *map(str, files)],
        check=False,
        capture_output=True,
        text=True,
        user=60706,
        group=60706,
        extra_groups=(),
    )
    assert readable.stdout == ""
