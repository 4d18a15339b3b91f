"""HTTPS to a manager: pinned certificate authority, bearer token, bounded answers, and streams of JSON lines.

Only requests that may be repeated without harm (GET, DELETE) are sent a second time, and only when a kept connection turns out to be stale.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bitfusion_client import config, http11
from bitfusion_client.config import Server
from bitfusion_client.http11 import Answer, ProtocolError
from bitfusion_client.identity import Identity
from bitfusion_client.stream import LineStream
from bitfusion_core import __version__
from bitfusion_core.errors import BitfusionError, ManagerUnreachable, UntrustedServer, from_problem

DEFAULT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 16 << 20
MAX_FILE_BYTES = 64 << 20
_REPEATABLE = ("GET", "DELETE")
# The peer is given up when nothing it owes us has arrived for this long, also while we only listen.
_TCP_SILENCE_S = 60

# OpenSSL's verification results, in the words the product has always used.
_X509_REASONS = {
    9: "certificate has expired or is not yet valid",
    10: "certificate has expired or is not yet valid",
    18: "certificate signed by unknown authority",
    19: "certificate signed by unknown authority",
    20: "certificate signed by unknown authority",
    21: "certificate signed by unknown authority",
    62: "certificate is valid for other names",
    64: "certificate is valid for other addresses",
}
_EXPIRED_HINT = (
    "Compare the clocks of this machine and of the server; if they agree, the administrator must renew the server's certificate."
)


class Manager:
    """One kept connection to one manager."""

    def __init__(self, server: Server, identity: Identity, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.server = server
        self.reached = server.ways[0]
        self._identity = identity
        self._timeout_s = timeout_s
        self._socket: ssl.SSLSocket | None = None
        self._tls: ssl.SSLContext | None = None
        self._tls_session: ssl.SSLSession | None = None

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request and return the JSON of its answer; an error answer is raised."""
        sock, answer = self._send(method, path, body)
        return self._decode(method, path, answer, self._read(sock, method, path, answer))

    def open_lines(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> LineStream:
        """Send one request whose answer is a stream of JSON lines. The connection then belongs to the stream."""
        sock, answer = self._send(method, path, body)
        if answer.status != 200:
            self._decode(method, path, answer, self._read(sock, method, path, answer))
            raise ManagerUnreachable(f"{self.server} answered {answer.status} to {path}, which is no stream")
        self._tls_session, self._socket = sock.session, None
        return LineStream(sock, answer)

    def download(self, path: str) -> bytes:
        """Fetch a file; an error answer is raised."""
        sock, answer = self._send("GET", path, None)
        data = self._read(sock, "GET", path, answer, MAX_FILE_BYTES)
        if answer.status != 200:
            self._decode("GET", path, answer, data)
            raise ManagerUnreachable(f"{self.server} answered {answer.status} to {path}")
        return data

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @contextmanager
    def another(self) -> Iterator[Manager]:
        """A second connection to the same manager, for another thread."""
        manager = Manager(self.server, self._identity, self._timeout_s)
        try:
            yield manager
        finally:
            manager.close()

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[ssl.SSLSocket, Answer]:
        kept = self._socket is not None
        try:
            return self._exchange(method, path, body)
        except (OSError, ProtocolError) as error:
            self.close()
            if not (kept and method in _REPEATABLE):
                raise self._failure(method, path, error) from error
        try:
            return self._exchange(method, path, body)
        except (OSError, ProtocolError) as error:
            self.close()
            raise self._failure(method, path, error) from error

    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[ssl.SSLSocket, Answer]:
        if self._socket is None:
            self._socket = self._connect()
        payload = b"" if body is None else json.dumps(body).encode()
        headers = {
            "Host": str(self.server),
            "Authorization": f"Bearer {self._identity.token}",
            "User-Agent": f"bitfusion/{__version__}",
            "Accept": "application/json",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(payload))
        return self._socket, http11.exchange(self._socket, http11.request_head(method, path, headers) + payload)

    def _read(self, sock: ssl.SSLSocket, method: str, path: str, answer: Answer, limit: int = MAX_ANSWER_BYTES) -> bytes:
        try:
            data = http11.read_body(sock, answer, limit)
        except (OSError, ProtocolError) as error:
            self.close()
            raise self._failure(method, path, error) from error
        if not answer.keeps_connection:
            self.close()
        return data

    def _connect(self) -> ssl.SSLSocket:
        """At the address that answered last, else at the first of the server's others that does."""
        failures = []
        for way in dict.fromkeys((self.reached, *self.server.ways)):
            outcome = self._try(way)
            if not isinstance(outcome, OSError):
                self.reached = way
                return outcome
            failures.append(outcome)
        raise failures[0]

    def _try(self, way: Server) -> ssl.SSLSocket | OSError:
        try:
            return self._connect_to(way)
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                raise  # It is there, and would say the same at its other addresses.
            return error

    def _connect_to(self, way: Server) -> ssl.SSLSocket:
        if self._tls is None:
            self._tls = _tls_context(self._identity)
        plain = _dial(way, self._timeout_s)
        try:
            # The name as bytes: as text it would load the tables of international names. A second connection resumes the first's session.
            sock = self._tls.wrap_socket(plain, server_hostname=way.host.encode(), session=self._tls_session)
        except BaseException:
            plain.close()
            raise
        return sock

    def _decode(self, method: str, path: str, answer: Answer, data: bytes) -> Any:
        if answer.status == 204:
            return None
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._failure(method, path, ProtocolError(f"status {answer.status}, and the answer is not JSON")) from error
        if answer.status >= 400:
            raise from_problem(document if isinstance(document, dict) else {"detail": f"status {answer.status}"})
        return document

    def _failure(self, method: str, path: str, error: Exception) -> BitfusionError:
        kind, reason, hint = _explain(error, self.server)
        # Scripts look for "Get https://…/claim_id", whatever the method.
        verb = "Get" if path == "/claim_id" else method.capitalize()
        return kind(f"{verb} https://{self.server}{path}: {reason}", hint=hint)


def _tls_context(identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(identity.ca_file))
    except (ssl.SSLError, OSError) as error:
        raise UntrustedServer(f"cannot use {identity.ca_file}: {error.strerror or 'it is not a certificate in PEM form'}") from None
    return context


def _dial(server: Server, timeout_s: float) -> socket.socket:
    """A TCP connection over IPv4, the only protocol there is here."""
    *_, address = socket.getaddrinfo(server.host.encode(), server.port, socket.AF_INET, socket.SOCK_STREAM)[0]
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect(address)
        _detect_silence(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _detect_silence(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _TCP_SILENCE_S // 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _TCP_SILENCE_S // 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_SILENCE_S * 1000)


def _explain(error: Exception, server: Server) -> tuple[type[BitfusionError], str, str | None]:
    """Class, reason in the product's words, and advice where it differs from the class's own."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _X509_REASONS.get(error.verify_code, error.verify_message)
        return UntrustedServer, f"x509: {reason}", _EXPIRED_HINT if error.verify_code in (9, 10) else _moved_hint()
    if isinstance(error, ssl.SSLError):
        return ManagerUnreachable, f"tls: {error.reason or error}", "Check that the address and port are those of a server."
    if isinstance(error, socket.timeout):
        # A silent host and a silent manager look alike from here; both are a time-out of the dial or of the answer.
        return ManagerUnreachable, "context deadline exceeded", None
    if isinstance(error, ConnectionRefusedError):
        return ServiceDown, f"dial tcp {server}: connect: connection refused", None
    if isinstance(error, socket.gaierror):
        return ManagerUnreachable, f"dial tcp: lookup {server.host}: no such host", None
    if isinstance(error, OSError):
        return ManagerUnreachable, f"dial tcp {server}: {(error.strerror or str(error) or 'connection closed').lower()}", None
    return (
        ManagerUnreachable,
        f"malformed answer: {error or type(error).__name__}",
        "Check that the address and port are those of a server.",
    )


def _moved_hint() -> str:
    """For a client that was moved or cloned to another cluster, or whose cluster was set up anew."""
    return (
        "Enable this client again; if it was moved or cloned, or the servers are new, remove its old identity first:\n"
        f"rm {config.home()}/client.yaml; rm {config.home()}/servers.conf"
    )


class ServiceDown(ManagerUnreachable):
    """The machine answers, but no manager listens there: a manager that is down takes nothing away."""

    code = "manager_down"
    title = "No manager is running at that address"
