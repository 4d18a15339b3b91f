"""kill -9 of the manager under load, again and again: no session is lost, no GPU leaks, no memory is given twice."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cuda_builder import Builder
from tests.demo import Demo, wait_until
from tools.server import Gpus, temporary_server

pytestmark = [pytest.mark.gpu, pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = 50
CLIENTS = 4
LONGEST_LIFE_S = 1.5
SILENCE_S = 5
# What a client meets while the manager is away.
AWAY = (OSError, http.client.HTTPException, urllib.error.URLError, ValueError)


@pytest.fixture
def demo_to_kill() -> Iterator[Demo]:
    """A server that forgets soon what nobody has confirmed."""
    with temporary_server(Gpus(), {"BITFUSION_LEASE_SILENCE_S": str(SILENCE_S)}, name="kills") as (server, handle):
        yield Demo(server, handle)


class Client(threading.Thread):
    """Takes and releases partitions as fast as it can. What it has read of a grant it gives back, however long the manager is away."""

    def __init__(self, demo: Demo, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.demo = demo
        self.stop_now = stop
        self.served = 0

    def run(self) -> None:
        while not self.stop_now.is_set():
            with contextlib.suppress(*AWAY):
                lease_id = ask(self.demo, fraction=0.1)
                if lease_id is not None:
                    with contextlib.suppress(*AWAY):
                        keep(self.demo, lease_id)
                    self.give_back(lease_id)
                    self.served += 1

    def give_back(self, lease_id: str) -> None:
        while True:
            try:
                return self.demo.delete(f"/v1/leases/{lease_id}")
            except urllib.error.HTTPError as error:
                if error.code == http.client.NOT_FOUND:
                    return None
            except AWAY:
                continue


def ask(demo: Demo, **wanted: Any) -> str | None:
    """A lease, if there is one to be had soon; the client has not confirmed it."""
    body = {"gpus": 1, "hold": "lease", "timeout_s": 2, "hostname": "load", "user": "load", **wanted}
    last = demo.lines("/v1/leases", body)[-1]
    return str(last["lease"]["id"]) if last["event"] == "granted" else None


def keep(demo: Demo, lease_id: str) -> None:
    """The client has it for good."""
    demo.post(f"/v1/leases/{lease_id}/keep", None)


def sessions_of_dispatcher(data: Path) -> set[str]:
    """What the dispatcher has admitted."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(data / "run" / "dispatcher.sock"))
        control.sendall(b'{"id": 1, "op": "list"}\n')
        answer = json.loads(control.makefile().readline())
    return {session["session"] for session in answer["sessions"]}


def check(demo: Demo, kept: set[str]) -> None:
    """What was confirmed is there and admitted; no GPU has more leases than memory."""
    leases = {lease["id"]: lease for lease in demo.leases()}
    assert kept <= leases.keys()
    assert kept <= sessions_of_dispatcher(demo.server.data)
    for gpu in demo.get("/query")["gpus"]:
        charged = sum(lease["memory_mib"] for lease in leases.values() for one in lease["gpus"] if one["uuid"] == gpu["uuid"])
        assert charged <= gpu["memory_mib"]


def why_it_ended(application: subprocess.Popen[str], demo: Demo) -> str:
    """What the application and the server say about it."""
    said = application.communicate(timeout=20)
    log = [line for line in demo.server.log.read_text(errors="replace").splitlines() if '"user": "load"' not in line]
    return "\n".join([*said[0].splitlines()[-5:], *said[1].splitlines()[-20:], *log[-60:]])


def test_fifty_kills_under_load(program: Builder, demo_to_kill: Demo) -> None:
    """After each kill and start what was running runs; at the end all that is left is what was kept."""
    demo = demo_to_kill
    application = demo.start("run", "-n", "1", "-p", "0.2", "--", str(program("work")))
    assert application.stdout is not None
    assert application.stdout.readline() == "cudaSuccess\n"
    for lease_id in (ask(demo, fraction=0.2), ask(demo, fraction=0.2)):
        assert lease_id is not None
        keep(demo, lease_id)
    kept = {lease["id"] for lease in demo.leases()}
    assert len(kept) == 3
    stop = threading.Event()
    clients = [Client(demo, stop) for _ in range(CLIENTS)]
    for client in clients:
        client.start()

    for _ in range(KILLS):
        time.sleep(random.uniform(0, LONGEST_LIFE_S))  # not to wait for something: the moment of death is what is random
        demo.server.kill_manager()
        assert application.poll() is None, why_it_ended(application, demo)
        demo.server.start_manager_again()
        check(demo, kept)

    stop.set()
    for client in clients:
        client.join(30)
    wait_until(lambda: {lease["id"] for lease in demo.leases()} == kept, 30, "only what was kept is left")
    assert sessions_of_dispatcher(demo.server.data) == kept
    assert application.poll() is None, why_it_ended(application, demo)
    assert sum(client.served for client in clients) > KILLS
    for lease_id in kept:
        demo.delete(f"/v1/leases/{lease_id}")
    wait_until(lambda: all(gpu["free_mib"] == gpu["memory_mib"] for gpu in demo.get("/query")["gpus"]), 30, "all memory is free again")
    application.communicate(timeout=30)
