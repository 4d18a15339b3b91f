"""Strangers: wrong tokens and garbage are refused, logged, and disturb nobody."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import struct
import subprocess
import urllib.error
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from bitfusion_core import hello
from bitfusion_core.hello import AnswerCode, ConnectionKind, Hello
from tests.cuda_builder import Builder
from tests.demo import Demo, wait_until
from tests.flows.rogue import PATIENCE_S, Credentials, Lease, log_of, receive, resident_mib, spec_hash, tls_connection, verdict
from tools.server import Gpus, marked_processes, temporary_server

MOST_GROWTH_MIB = 32
# The start of what a TLS client says, and no more of it.
TLS_HELLO = bytes.fromhex("16030102000100 01fc0303") + bytes(32)


def _ports(demo: Demo) -> tuple[int, int]:
    facts = demo.get("/query")
    return int(demo.handle.url.rpartition(":")[2]), int(facts["dispatcher_port"])


def _home_with(demo: Demo, folder: Path, client_yaml: str) -> str:
    home = folder / "home"
    shutil.copytree(demo.handle.home, home)
    (home / "client.yaml").write_text(client_yaml)
    return str(home)


@pytest.mark.parametrize("client_yaml", ["access_token: not-the-token\n", ""])
def test_wrong_or_missing_token_never_reaches_a_worker(client_yaml: str, demo: Demo, tmp_path: Path) -> None:
    """The command says so and ends with 125; there is no lease and no worker."""
    home = _home_with(demo, tmp_path, client_yaml)
    done = demo.bitfusion("run", "-n", "1", "--", "true", BITFUSION_HOME=home)

    assert done.returncode == 125, done.stderr
    assert "token" in done.stderr.lower()
    assert not demo.leases()


def test_api_refuses_strangers(demo: Demo) -> None:
    """Without a good token every route of the API is closed."""
    for path in ("/query", "/v1/leases", "/v1/gpus"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            demo.get(path, token="nonsense")
        assert refused.value.code == 401
        refused.value.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Demo]:
    """A server whose data connections are not encrypted, so that a rogue can be written in a few lines."""
    with temporary_server(Gpus(), {"BITFUSION_DATA_TLS": "off"}, name="plain") as (server, handle):
        yield Demo(server, handle)


@contextlib.contextmanager
def _neighbour(demo: Demo, program: Builder) -> Iterator[None]:
    """An application that runs meanwhile, and must find its memory untouched at the end; afterwards all GPUs are free."""
    application = subprocess.Popen(
        [demo.handle.cli, "run", "-n", "1", "-p", "0.5", "--", str(program("hold"))],
        env=demo.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert application.stdout is not None
        assert application.stdout.readline().startswith("cudaSuccess")
        yield
        assert application.poll() is None
    finally:
        _, errors = application.communicate(input="", timeout=PATIENCE_S)
    assert application.returncode == 0, errors
    wait_until(lambda: not demo.leases(), PATIENCE_S, "the GPUs are free")


def _refusals(demo: Demo) -> list[str]:
    return [str(line.get("reason")) for line in log_of(demo) if line["event"].startswith(("connection refused", "connection lost"))]


def test_strangers_on_the_data_port(program: Builder, plain: Demo) -> None:
    """Whatever is no hello of a known session is refused with a reason in the log, reaches no worker and disturbs nobody."""
    _, port = _ports(plain)
    with _neighbour(plain, program), Lease(plain) as lease:
        rogue = lease.credentials
        before = len(_refusals(plain))
        thrown = [
            b"",
            b"\0",
            b"GET / HTTP/1.1\r\n\r\n",
            TLS_HELLO,
            hello.HELLO_MAGIC,
            *(random.Random(n).randbytes(n) for n in (39, 160, 100_000)),
        ]
        for data in thrown:
            answer = _half_closed(port, data)[hello.NONCE_SIZE :]
            assert not answer or hello.parse_answer(answer[: hello.ANSWER_SIZE])[0] is AnswerCode.BAD_HELLO
        expected = {
            AnswerCode.NOT_ADMITTED: [
                replace(rogue, key="00" * 32).connect(),
                replace(rogue, session="0f8fad5b-d9cb-469f-a165-70867728950e").connect(),
                _replayed(rogue),
            ],
            AnswerCode.VERSION: [rogue.connect(protocol_major=9), rogue.connect(spec_hash=b"\xab" * 32)],
            AnswerCode.TLS: [rogue.connect(tls=True)],
            AnswerCode.WORKER: [rogue.connect(ConnectionKind.BULK, b"other process..."[:16])],
        }
        for code, connections in expected.items():
            for connection in connections:
                with connection:
                    assert verdict(connection)[0] is code
        wait_until(lambda: len(_refusals(plain)) >= before + len(thrown) + 6, 10, "the refusals are logged")


def test_half_open_connections_are_bounded(program: Builder, plain: Demo) -> None:
    """Slow and silent strangers hold a bounded number of places for a bounded time, and neither server process grows."""
    _, port = _ports(plain)
    with _neighbour(plain, program), contextlib.ExitStack() as crowd:
        processes = [pid for pid in marked_processes(Path(plain.handle.data).parent) if _is_server(pid)]
        before = {pid: resident_mib(pid) for pid in processes}
        assert len(before) == 2
        for _ in range(400):
            connection = crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            connection.sendall(hello.HELLO_MAGIC[:1])  # and no more
        wait_until(lambda: any("too many connections" in reason for reason in _refusals(plain)), 20, "some are turned away")
        wait_until(lambda: sum("said nothing in time" in reason for reason in _refusals(plain)) >= 256, 20, "the others are cut off")
        done = plain.bitfusion("run", "-n", "1", "-p", "0.25", "--", str(program("allocate")))
        assert done.returncode == 0, done.stderr
        for _ in range(1000):
            _half_closed(port, b"x" * 200)
        grown = {pid: resident_mib(pid) - before[pid] for pid in processes}
        assert max(grown.values()) < MOST_GROWTH_MIB, grown


def _is_server(pid: int) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return bool({b"bitfusion_server.manager", b"bitfusion_server.dispatcher"} & set(words))
    return False


def _half_closed(port: int, data: bytes) -> bytes:
    """Send bytes, then the end; read until the server hangs up."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection, contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            answer += more
    return answer


def _replayed(rogue: Credentials) -> socket.socket:
    """A hello that was right on another connection."""
    with socket.create_connection(("127.0.0.1", rogue.port), timeout=PATIENCE_S) as other:
        nonce = hello.parse_nonce(receive(other, hello.NONCE_SIZE))
    recorded = Hello(uuid.UUID(rogue.session).bytes, b"r" * 16, ConnectionKind.COMMAND, spec_hash(), 1, tls=False)
    connection = socket.create_connection(("127.0.0.1", rogue.port), timeout=PATIENCE_S)
    receive(connection, hello.NONCE_SIZE)
    connection.sendall(recorded.pack(bytes.fromhex(rogue.key), nonce))
    return connection


def test_strangers_on_the_api_port(program: Builder, plain: Demo) -> None:
    """Garbage, with and without TLS, headers that never end, and bodies without measure: refused, while everybody else is served."""
    port, _ = _ports(plain)
    with _neighbour(plain, program), contextlib.ExitStack() as crowd:
        for data in (b"GET /query HTTP/1.1\r\nHost: x\r\n\r\n", TLS_HELLO, *(random.Random(n).randbytes(n) for n in (1, 500, 100_000))):
            _half_closed(port, data)
        for _ in range(50):
            slow = crowd.enter_context(tls_connection(plain))
            slow.sendall(b"GET /query HTTP/1.1\r\nX-Slow: ")
        for request in (b"\x16\x03\x01" * 1000, b"GET /query HTTP/1.1\r\nX: " + b"y" * (1 << 20), b"\0" * 70_000 + b"\r\n\r\n"):
            assert _status_of(plain, request) in (0, 400)
        oversized = b"x" * ((1 << 20) + 1)
        head = b"POST /v1/leases HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n"
        assert _status_of(plain, head % (plain.handle.admin_token.encode(), len(oversized)) + oversized) == 413
        assert plain.get("/query")["gpus"]


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/v1/leases/../../admin.token",
        "/v1/leases/%2e%2e%2f%2e%2e%2fstore.db",
        "//query//",
        "/query%00",
        "/v1/leases/%ff",
    ],
)
def test_path_tricks(path: str, plain: Demo) -> None:
    """A path is looked up in the table of routes and nowhere else, whoever asks."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {plain.handle.admin_token}\r\nConnection: close\r\n\r\n"
    assert _status_of(plain, request.encode()) in (400, 404)


def _status_of(demo: Demo, request: bytes) -> int:
    """Status of the answer; 0 when there was none."""
    answer = b""
    with tls_connection(demo) as connection, contextlib.suppress(OSError):
        connection.sendall(request)
        while not answer.startswith(b"HTTP/1.1 ") or len(answer) < 12:
            more = connection.recv(65536)
            if not more:
                break
            answer += more
    return int(answer[9:12]) if len(answer) >= 12 else 0


def _frame(row: int, payload: bytes = b"", size: int | None = None, flags: int = 0, bulk: int = 0, sequence: int = 1) -> bytes:
    """A frame of the command stream, as native/src/wire/frame.h has it."""
    return struct.pack("<IHHQQII", 32 + len(payload) if size is None else size, row, flags, sequence, 0, 1, bulk) + payload


def _chunk(bulk: int = 1, size: int = 64, offset: int = 0, total: int = 64, kind: int = 0) -> bytes:
    return struct.pack("<IIQQII", bulk, size, offset, total, kind, 0) + b"x" * min(size, 4096)


COPY_IN, COPY_OUT, CALLBACK_DONE, UNKNOWN_ROW = 0xFF00, 0xFF01, 0xFF02, 0xFFFE
COMMANDS = {
    "random bytes": random.Random(1).randbytes(100_000),
    "no size": _frame(1, size=0),
    "a huge size": _frame(1, size=0xFFFFFFF8),
    "an odd size": _frame(1, size=33),
    "an unknown row": _frame(UNKNOWN_ROW),
    "a row past the table": _frame(5000, b"\xff" * 64),
    "a payload that is too short": _frame(COPY_IN, b"\0" * 8),
    "an inline copy that is longer than its frame": _frame(COPY_IN, struct.pack("<QQQII", 0, 1 << 40, 1 << 60, 0, 0)),
    "a callback nobody asked for": _frame(CALLBACK_DONE, b"\xff" * 8) + _frame(UNKNOWN_ROW, sequence=2),
    "text of another protocol": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10,
}
CHUNKS = {
    "random bytes": random.Random(2).randbytes(100_000),
    "no bytes": _chunk(size=0),
    "a huge chunk": _chunk(size=0xFFFFFFFF, total=1 << 62),
    "a chunk past its end": _chunk(offset=1 << 62, total=64),
    "an unknown kind": _chunk(kind=9),
}


def _ends(lease: Lease, number: int) -> bool:
    return len(lease.ends_of_workers()) >= number


def test_rogue_client_ends_its_own_session_only(program: Builder, plain: Demo) -> None:
    """A client that has a lease and breaks the protocol: its worker ends with a reason in the log, and nothing else happens."""
    with _neighbour(plain, program), Lease(plain) as lease:
        for number, (name, data) in enumerate(COMMANDS.items(), start=1):
            with lease.credentials.admitted(process=number.to_bytes(16, "big")) as connection, contextlib.suppress(ConnectionError):
                connection.sendall(data)
                wait_until(lambda number=number: _ends(lease, number), PATIENCE_S, f"the worker that got {name} has ended")  # type: ignore[misc]
        for number, (name, data) in enumerate(CHUNKS.items(), start=len(COMMANDS) + 1):
            process = number.to_bytes(16, "big")
            with lease.credentials.admitted(process=process), lease.credentials.admitted(ConnectionKind.BULK, process) as bulk:
                with contextlib.suppress(ConnectionError):
                    bulk.sendall(data)
                wait_until(lambda number=number: _ends(lease, number), PATIENCE_S, f"the worker that got {name} has ended")  # type: ignore[misc]
        # What may yet belong to a command that has not come is kept, within bounds, until the client goes.
        with lease.credentials.admitted(process=b"w" * 16), lease.credentials.admitted(ConnectionKind.BULK, b"w" * 16) as bulk:
            bulk.sendall(b"".join(_chunk(bulk=number) for number in range(1, 100)))
        wait_until(lambda: _ends(lease, len(COMMANDS) + len(CHUNKS) + 1), PATIENCE_S, "the worker whose client has gone has ended")
        assert all(lease.ends_of_workers())
        assert not any("status" in reason for reason in lease.ends_of_workers()), lease.ends_of_workers()


def test_rogue_client_with_many_connections(program: Builder, plain: Demo) -> None:
    """A second command connection ends the session's worker; a crowd of bulk connections disturbs nobody."""
    with _neighbour(plain, program), Lease(plain) as lease, contextlib.ExitStack() as crowd:
        for _ in range(2):
            crowd.enter_context(lease.credentials.admitted(process=b"1" * 16))
        wait_until(lambda: _ends(lease, 1), PATIENCE_S, "the worker has ended")
        assert "second connection" in lease.ends_of_workers()[0]
        crowd.enter_context(lease.credentials.admitted(process=b"2" * 16))
        for _ in range(100):
            with contextlib.suppress(OSError, hello.HelloError):
                verdict(crowd.enter_context(lease.credentials.connect(ConnectionKind.BULK, b"2" * 16)))
        done = plain.bitfusion("run", "-n", "1", "-p", "0.25", "--", str(program("allocate")))
        assert done.returncode == 0, done.stderr


def test_unknown_certificate_authority(demo: Demo, tmp_path: Path) -> None:
    """A client that does not know the server's authority refuses to talk, and says x509."""
    home = tmp_path / "home"
    shutil.copytree(demo.handle.home, home)
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    shutil.copyfile(other, home / "tls" / "ca.crt")
    done = demo.bitfusion("list_gpus", BITFUSION_HOME=str(home))

    assert done.returncode != 0
    assert "x509" in done.stderr


def test_no_process_is_left_after_the_server(own_demo: Demo) -> None:
    """Stopping the server ends the dispatcher and every worker."""
    directory = Path(own_demo.handle.data).parent
    assert marked_processes(directory)
    own_demo.server.stop()
    assert not marked_processes(directory)
