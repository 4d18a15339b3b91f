"""Allocation and release over HTTPS: a manager in a process of its own, clients with kept-alive connections. `python -m tests.bench.https`.

Manager, TLS, API, authentication, store and scheduler are the product's own; the GPUs are fakes and the dispatcher admits everybody.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import signal
import ssl
import threading
import time
from pathlib import Path
from typing import Any

from bitfusion_core.settings import Settings
from bitfusion_server import log
from bitfusion_server.app import Manager
from bitfusion_server.auth import tokens
from bitfusion_server.data_directory import DataDirectory
from bitfusion_server.store.base import Role
from tests.bench.parts import OpenGpus, Watch, cpu_s, machine, process, quantiles, workplace

_READY = "bench.json"
_START_S = 60.0


def serve(path: Path) -> None:
    """The manager process, with its log in a file; says in another where it listens and with which token it may be asked."""
    with (path / "manager.log").open("wb") as file:
        os.dup2(file.fileno(), 2)
    log.configure("info")
    asyncio.run(_serve(path))


async def _serve(path: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings({"manager.listen": "127.0.0.1:0", "dispatcher.managed": False})
    manager = Manager(DataDirectory(path), settings, OpenGpus(*[1_000_000] * 8))
    await manager.start()
    token = await tokens.issue(manager.store, Role.CLIENT, "bench", time.time(), 1)
    (path / "starting").write_text(json.dumps({"port": manager.port, "token": token.text}))
    (path / "starting").rename(path / _READY)
    await stop.wait()
    await manager.stop()


class Client:
    """One connection that is kept."""

    def __init__(self, path: Path, port: int, token: str) -> None:
        trust = ssl.create_default_context(cafile=str(path / "tls" / "ca.crt"))
        self._http = http.client.HTTPSConnection("127.0.0.1", port, context=trust)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._who = {"hostname": "laptop", "user": "ann"}
        self._client_id = self._ask("POST", "/claim_id", self._who)["client_id"]
        self.times: list[float] = []

    def pair(self) -> None:
        """Allocate and release."""
        started = time.perf_counter()
        body = {"gpus": 1, "memory_mib": 1000, "hold": "lease", "client_id": self._client_id, **self._who}
        lease = self._ask("POST", "/v1/leases", body)["lease"]
        granted = time.perf_counter()
        self._ask("DELETE", f"/v1/leases/{lease['id']}")
        self.times += [granted - started, time.perf_counter() - granted]

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        self._http.request(method, path, None if body is None else json.dumps(body), self._headers)
        response = self._http.getresponse()
        lines = response.read().splitlines()
        assert response.status < 400, (response.status, lines)
        return json.loads(lines[-1]) if lines else None


def measure(path: Path, manager: int, count: int, clients: int) -> dict[str, Any]:
    """So many allocations and releases by so many clients at once."""
    known = _started(path)
    connected = [Client(path, known["port"], known["token"]) for _ in range(clients)]
    for client in connected:
        client.pair()
        client.times.clear()
    left = iter(range(count))
    lock = threading.Lock()

    def work(client: Client) -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            client.pair()

    watch, busy_s = Watch(), cpu_s(manager)
    threads = [threading.Thread(target=work, args=(client,)) for client in connected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rates, busy_s = watch.rates(count), cpu_s(manager) - busy_s
    requests = quantiles([one for client in connected for one in client.times])
    return {
        "machine": machine(path),
        "clients": clients,
        "pairs": count,
        "pairs_per_s": rates["per_s"],
        "seconds": rates["seconds"],
        "manager_cpu_ms_per_pair": round(1000 * busy_s / count, 2),
        "request": requests,
    }


def _started(path: Path) -> dict[str, Any]:
    end = time.monotonic() + _START_S
    while not (path / _READY).exists():
        assert time.monotonic() < end, "the manager did not start"
        time.sleep(0.02)
    known: dict[str, Any] = json.loads((path / _READY).read_text())
    return known


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    with workplace() as path, process(serve, path) as manager:
        print(json.dumps(measure(path, manager, arguments.pairs, arguments.clients), indent=2))


if __name__ == "__main__":
    main()
