"""HTTPS to a manager: pinned certificate authority, bearer token, bounded answers, and streams of JSON lines.

Only requests that may be repeated without harm (GET, DELETE) are sent a second time, and only when a kept connection turns out to be stale.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from bitfusion_client.config import Server
from bitfusion_client.identity import Identity
from bitfusion_client.stream import LineStream
from bitfusion_core import __version__
from bitfusion_core.errors import BitfusionError, ManagerUnreachable, UntrustedServer, from_problem

DEFAULT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 16 << 20
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
        self._identity = identity
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPSConnection | None = None

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request and return the JSON of its answer; an error answer is raised."""
        response = self._send(method, path, body)
        try:
            data = response.read(MAX_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(method, path, error) from error
        return self._decode(method, path, response, data)

    def open_lines(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> LineStream:
        """Send one request whose answer is a stream of JSON lines. The connection then belongs to the stream."""
        response = self._send(method, path, body)
        if response.status != 200:
            self._decode(method, path, response, response.read(MAX_ANSWER_BYTES + 1))
            raise ManagerUnreachable(f"{self.server} answered {response.status} to {path}, which is no stream")
        connection, self._connection = self._connection, None
        return LineStream(response, self._stream_socket, connection)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> http.client.HTTPResponse:
        kept = self._connection is not None
        try:
            return self._exchange(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not (kept and method in _REPEATABLE):
                raise self._failure(method, path, error) from error
        try:
            return self._exchange(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._failure(method, path, error) from error

    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._connect()
        headers = {
            "Authorization": f"Bearer {self._identity.token}",
            "User-Agent": f"bitfusion/{__version__}",
            "Accept": "application/json",
        }
        payload = None if body is None else json.dumps(body).encode()
        if payload is not None:
            headers["Content-Type"] = "application/json"
        # http.client drops its reference when the answer says 'Connection: close'; a stream still needs the socket.
        self._stream_socket: socket.socket = self._connection.sock
        self._connection.request(method, path, body=payload, headers=headers)
        return self._connection.getresponse()

    def _connect(self) -> http.client.HTTPSConnection:
        context = _tls_context(self._identity)
        connection = http.client.HTTPSConnection(self.server.host, self.server.port, timeout=self._timeout_s, context=context)
        connection.connect()
        _detect_silence(connection.sock)
        return connection

    def _decode(self, method: str, path: str, response: http.client.HTTPResponse, data: bytes) -> Any:
        if len(data) > MAX_ANSWER_BYTES:
            raise self._failure(method, path, ValueError("the answer is too large"))
        if response.status == 204:
            return None
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._failure(method, path, ValueError(f"status {response.status}, and the answer is not JSON")) from error
        if response.status >= 400:
            raise from_problem(document if isinstance(document, dict) else {"detail": f"status {response.status}"})
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
        return UntrustedServer, f"x509: {reason}", _EXPIRED_HINT if error.verify_code in (9, 10) else None
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


class ServiceDown(ManagerUnreachable):
    """The machine answers, but no manager listens there: a manager that is down takes nothing away."""

    code = "manager_down"
    title = "No manager is running at that address"
