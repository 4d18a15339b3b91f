"""A manager for tests: real TLS and HTTP on loopback, the contract of the API, and behaviour that a test can change."""

from __future__ import annotations

import datetime
import json
import queue
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

TOKEN = "test-token"
CLIENT_ID = "7b7f8d1c-0000-4000-8000-000000000001"
KEY = "ab" * 32
HEARTBEAT_S = 0.2


def gpu(index: int, memory_mib: int = 16160, free_mib: int | None = None, leases: int = 0, name: str = "Tesla T4") -> dict[str, Any]:
    """A GPU as `/query` and `/v1/gpus` describe it."""
    sensors = {"persistence_mode": False, "used_mib": 11, "allocated_mib": 0, "ecc_uncorrected": 0, "fan_percent": 0, "temperature_c": 36}
    more = {"pstate": 8, "power_w": 10.2, "power_limit_w": 70.0, "utilization_percent": 0, "compute_mode": "Default"}
    known = {"index": index, "uuid": f"GPU-{index:08d}", "name": name, "pci_bus_id": f"00000000:{0x13 + index:02X}:00.0"}
    free = memory_mib if free_mib is None else free_mib
    return {**known, "memory_mib": memory_mib, "free_mib": free, "leases": leases, **sensors, **more}


def problem(code: str, detail: str, hint: str = "", status: int = 400) -> dict[str, Any]:
    """An error answer."""
    return {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code, "hint": hint, "request_id": "r1"}


@dataclass
class Behaviour:
    """What the manager does; tests change it."""

    version: str = "0.1.0"
    gpus: list[dict[str, Any]] = field(default_factory=lambda: [gpu(0), gpu(1)])
    tasks: int = 0
    accepting: bool = True
    # Sent before the decision: events, or a threading.Event to wait for.
    before: list[Any] = field(default_factory=list)
    # None grants; else the event that ends the request.
    decision: dict[str, Any] | None = None
    refuse_token: dict[str, Any] | None = None
    # Replaces an answer: path -> raw bytes.
    raw: dict[str, bytes] = field(default_factory=dict)
    # Answers that wait: beginning of the path -> when to go on.
    stalled: dict[str, threading.Event] = field(default_factory=dict)
    # Further answers: path -> JSON.
    more: dict[str, Any] = field(default_factory=dict)
    lease_changes: dict[str, Any] = field(default_factory=dict)


class FakeManager:
    """One server; a context manager."""

    def __init__(self, authority: trustme.CA, expired: bool = False) -> None:
        self.behaviour = Behaviour()
        self.requests: list[tuple[str, str, Any]] = []
        self.leases: dict[str, dict[str, Any]] = {}
        self.ended: queue.Queue[str] = queue.Queue()  # how each lease ended: deleted or disconnected
        self.streams: dict[str, queue.Queue[dict[str, Any] | None]] = {}
        self.granted = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.socket = _tls(authority, expired).wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> FakeManager:  # noqa: PYI034 - typing.Self came with Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def grant(self, body: dict[str, Any]) -> dict[str, Any]:
        """A lease for this request."""
        with self._lock:
            number = len(self.leases) + 1
            chosen = self.behaviour.gpus[: body["gpus"]]
            fraction = body.get("fraction")
            share = body.get("memory_mib") or int(min(one["memory_mib"] for one in chosen) * (fraction or 1))
            lease = {
                "id": f"02491a45-0000-4000-8000-{number:012d}",
                "key": KEY,
                "server_id": "server-1",
                "address": "127.0.0.1",
                "dispatcher_port": 55001,
                "srs_port": self.port,
                "version": self.behaviour.version,
                "tls": True,
                "gpus": [{name: one[name] for name in ("index", "uuid", "name", "memory_mib")} for one in chosen],
                "memory_mib": share,
                "fraction": fraction if "memory_mib" not in body else None,
                "idle_timeout_min": 0,
                **self.behaviour.lease_changes,
            }
            self.leases[lease["id"]] = lease
            self.streams[lease["id"]] = queue.Queue()
        self.granted.set()
        return lease

    def revoke(self, reason: str) -> None:
        """Take the newest lease away."""
        self.streams[list(self.leases)[-1]].put({"event": "ended", "reason": reason})

    def break_connection(self) -> None:
        """Drop the control connection of the newest lease, as a restarted manager does."""
        self.streams[list(self.leases)[-1]].put(None)


def _tls(authority: trustme.CA, expired: bool) -> ssl.SSLContext:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    begin = past - datetime.timedelta(days=1) if expired else None
    certificate = authority.issue_cert("127.0.0.1", not_before=begin, not_after=past if expired else None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _handler(manager: FakeManager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                pass  # The client is gone, which is what several tests are about.

        def do_GET(self) -> None:
            self._serve(None)

        def do_DELETE(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _serve(self, body: Any) -> None:
            manager.requests.append((self.command, self.path, body))
            for path, go_on in manager.behaviour.stalled.items():
                if f"{self.command} {self.path}".startswith(path):
                    go_on.wait(30)
            raw = manager.behaviour.raw.get(self.path)
            if raw is not None:
                self.wfile.write(raw)
                self.close_connection = True
            elif manager.behaviour.refuse_token or self.headers["Authorization"] not in (f"Bearer {TOKEN}", TOKEN):
                refusal = manager.behaviour.refuse_token or problem(
                    "unauthenticated", "the token is not known here", "Ask for a token.", 401
                )
                self._answer(refusal["status"], refusal)
            else:
                self._route(body)

        def _route(self, body: Any) -> None:
            head, _, tail = self.path.partition("/v1/leases/")
            if self.path == "/claim_id":
                self._answer(200, {"client_id": body.get("client_id", CLIENT_ID)})
            elif self.path in ("/query", "/v1/gpus"):
                self._answer(200, _query(manager))
            elif self.path in manager.behaviour.more:
                self._answer(200, manager.behaviour.more[self.path])
            elif self.path == "/v1/leases":
                self._lease(body)
            elif not head and self.command == "DELETE":
                self._delete(tail)
            elif not head and tail.endswith("/keep") and tail[:-5] in manager.leases:
                self._answer(200, {})
            elif not head and tail.endswith("/hold") and tail[:-5] in manager.leases:
                self._begin_stream()
                self._hold(tail[:-5])
            else:
                self._answer(404, problem("not_found", "the lease has ended", status=404))

        def _delete(self, lease: str) -> None:
            if manager.leases.pop(lease, None) is None:
                self._answer(404, problem("not_found", "there is no such lease", status=404))
                return
            manager.ended.put("deleted")
            self.send_response(204)
            self.end_headers()

        def _answer(self, status: int, document: Any) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _begin_stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.close_connection = True

        def _event(self, event: dict[str, Any]) -> None:
            data = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

        def _lease(self, body: dict[str, Any]) -> None:
            self._begin_stream()
            for step in manager.behaviour.before:
                if isinstance(step, threading.Event):
                    step.wait(30)
                else:
                    self._event(step)
            if manager.behaviour.decision is not None:
                self._event(manager.behaviour.decision)
            else:
                lease = manager.grant(body)
                self._event({"event": "granted", "lease": lease})
                if body["hold"] == "connection":
                    self._hold(lease["id"])
            self.wfile.write(b"0\r\n\r\n")

        def _hold(self, lease: str) -> None:
            events = manager.streams[lease]
            try:
                while lease in manager.leases:
                    try:
                        event = events.get(timeout=HEARTBEAT_S)
                    except queue.Empty:
                        event = {"event": "heartbeat"}
                    if event is None:
                        self.connection.close()
                        return
                    self._event(event)
            except OSError:
                if manager.leases.pop(lease, None) is not None:
                    manager.ended.put("disconnected")
                raise

    return Handler


def _query(manager: FakeManager) -> dict[str, Any]:
    behaviour = manager.behaviour
    ports = {"srs_port": manager.port, "dispatcher_port": 55001}
    facts = {"driver_version": "440.64.00", "cuda_version": "10.2", "has_rdma": False, "hostname": "gpu-1", "address": "127.0.0.1"}
    state = {"tasks": behaviour.tasks, "accepting": behaviour.accepting, "gpus": behaviour.gpus}
    return {"version": behaviour.version, "server_id": "server-1", **ports, **facts, **state}


def write_home(folder: Path, authority: trustme.CA, *servers: str, client_id: str | None = None) -> Path:
    """A configuration directory for these servers."""
    (folder / "tls").mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(str(folder / "tls" / "ca.crt"))
    (folder / "servers.conf").write_text("".join(f"{server}\n" for server in servers))
    identity = f"access_token: {TOKEN}\n" + (f"client_id: {client_id}\n" if client_id else "")
    (folder / "client.yaml").write_text(identity)
    return folder
