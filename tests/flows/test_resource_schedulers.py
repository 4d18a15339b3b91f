"""Several resource schedulers on one machine, each with GPUs, address and data of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bitfusion_server.commands import local
from bitfusion_server.commands.resource_scheduler import data_of
from tests.demo import wait_until
from tools.layout import PYTHON
from tools.server import Gpus

pytestmark = pytest.mark.gpu


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def scheduler(data: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`bitfusion srs`, without a dispatcher."""
    environment = {**os.environ, **Gpus(3).environment(data), "BITFUSION_DISPATCHER_MANAGED": "false"}
    command = [PYTHON, "-m", "bitfusion_server.commands.resource_scheduler", "--data", data, "-l", "127.0.0.1", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def test_side_by_side(tmp_path: Path) -> None:
    """The first two GPUs at one address, the third at another; neither knows of the other's."""
    first, second, *data_ports = free_ports(4)
    with (
        scheduler(tmp_path, "-n", "2", "-s", str(first), "-p", str(data_ports[0])),
        scheduler(tmp_path, "-d", "2", "--srs_port", str(second), "--server_port", str(data_ports[1])),
    ):
        answers = []
        for port in (first, second):
            data = data_of(tmp_path, port)
            wait_until((data / "run" / "manager.json").exists, 30, f"the scheduler at {port}")
            with local.manager(data, "test") as manager:
                answers.append(manager.json("GET", "/query"))

    assert [[gpu["index"] for gpu in answer["gpus"]] for answer in answers] == [[0, 1], [2]]
    assert [(answer["srs_port"], answer["dispatcher_port"]) for answer in answers] == [(first, data_ports[0]), (second, data_ports[1])]
    assert len({answer["server_id"] for answer in answers}) == 2
