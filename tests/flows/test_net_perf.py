"""Measuring the network with a real server."""

from __future__ import annotations

import json
import re
import socket
import uuid
from pathlib import Path

import pytest

from bitfusion_client import measuring
from bitfusion_client.measuring import Ticket
from tests.demo import Demo

ROW = r"\[ <client>\] lo => \[127\.0\.0\.1\] net1 \( tcp\) Single packet lat = \d+ us, bw\(1MB\) = \d+\.\d\d GB/s"


def test_net_perf(demo: Demo, tmp_path: Path) -> None:
    """A row for the loopback in the layout of the guide, and figures that are plausible; the next application uses what was measured."""
    measured = demo.bitfusion("net_perf", XDG_CACHE_HOME=str(tmp_path))
    known = json.loads(demo.bitfusion("net_perf", "--json", XDG_CACHE_HOME=str(tmp_path)).stdout)

    lines = measured.stdout.splitlines()
    assert lines[:3] == [
        "Displayed results are calculated from round-trip measurements",
        "BW(1MB) = 1000/(LAT(1MB) - LAT(1B))",
        "",
    ]
    assert re.fullmatch(ROW, lines[3])
    assert known["version"] == 1
    assert 1 < known["networks"][0]["latency_us"] < 20_000
    assert 0.01 < known["networks"][0]["bandwidth_gb_s"] < 1000
    ran = demo.bitfusion("run", "-n", "1", "--", "sh", "-c", "grep ^address $BITFUSION_ALLOCATION", XDG_CACHE_HOME=str(tmp_path))
    assert ran.stdout.startswith("address 127.0.0.1:")


def test_strangers_cannot_use_the_echo(demo: Demo) -> None:
    """Without a ticket of the manager, or with a wrong key, the connection is refused like any other; no token, no ticket."""
    stranger = Ticket(str(uuid.uuid4()), "00" * 32, demo.dispatcher_port, (), ())

    with pytest.raises(OSError, match="knows no such session"):
        measuring.measure(stranger, "s", "net1", "127.0.0.1")


def test_echo_is_bounded(demo: Demo, tmp_path: Path) -> None:
    """A length beyond the limit ends the connection instead of taking memory."""
    answer = demo.post("/v1/measurements", {})
    ticket = measuring.parse_ticket("s", answer)
    with socket.create_connection(("127.0.0.1", ticket.port), 10) as connection:
        measuring._introduce(connection, ticket)
        connection.sendall(b"\x02\0\0\0ab")
        assert connection.recv(6, socket.MSG_WAITALL) == b"\x02\0\0\0ab"
        connection.sendall(b"\xff\xff\xff\xff")
        assert connection.recv(1) == b""
