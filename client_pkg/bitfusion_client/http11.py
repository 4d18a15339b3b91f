"""HTTP/1.1 (RFC 9112) as far as a client with one request at a time needs it.

Python's own client brings the e-mail parser and would take a fifth of the time in which `bitfusion run` starts an application.
"""

from __future__ import annotations

from collections.abc import Mapping
from socket import socket
from typing import Union

MAX_HEAD_BYTES = 65536
_RECEIVE_BYTES = 65536
_NO_BODY = (204, 304)


class ProtocolError(Exception):
    """The other side does not speak HTTP/1.1."""


class Dechunker:
    """Undoes chunked coding (RFC 9112 §7.1) on bytes that arrive in any pieces."""

    def __init__(self) -> None:
        self._buffer = b""
        self._remaining = 0
        self._after_data = False
        self.finished = False

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`; `finished` is set by the last chunk."""
        self._buffer += data
        payload = []
        while not self.finished:
            if self._remaining:
                piece, self._buffer = self._buffer[: self._remaining], self._buffer[self._remaining :]
                self._remaining -= len(piece)
                payload.append(piece)
                if self._remaining:
                    break
                self._after_data = True
            line = self._take_line()
            if line is None:
                break
            self._on_line(line)
        return b"".join(payload)

    def _take_line(self) -> bytes | None:
        line, separator, rest = self._buffer.partition(b"\r\n")
        if not separator:
            if len(self._buffer) > 4096:
                raise ProtocolError("a chunk has no end of line")
            return None
        self._buffer = rest
        return line

    def _on_line(self, line: bytes) -> None:
        if self._after_data:
            if line:
                raise ProtocolError("a chunk is longer than it says")
            self._after_data = False
            return
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
            raise ProtocolError("a chunk has no size")
        self._remaining = int(digits, 16)
        self.finished = self._remaining == 0


class Counter:
    """A body of a known length; None is one that ends with the connection."""

    def __init__(self, length: int | None) -> None:
        self._remaining = length
        self.ends_with_connection = length is None
        self.finished = length == 0

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`."""
        if self._remaining is None:
            return data
        payload = data[: self._remaining]
        self._remaining -= len(payload)
        self.finished = self._remaining == 0
        return payload


Decoder = Union[Dechunker, Counter]


class Answer:
    """Status and headers of an answer, and the decoder of its body. `rest` has arrived with the head."""

    def __init__(self, status: int, headers: Mapping[str, str], rest: bytes) -> None:
        self.status = status
        self.headers = headers
        self.rest = rest
        self.body = _decoder(status, headers)

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow on the same connection."""
        bounded = isinstance(self.body, Dechunker) or not self.body.ends_with_connection
        return bounded and self.headers.get("connection", "").lower() != "close"


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Request line and headers; values come from our own tables and checked configuration."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header holds a line break")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


def exchange(sock: socket, request: bytes) -> Answer:
    """Send a request and receive the head of its answer."""
    sock.sendall(request)
    data = b""
    while True:
        head, end, rest = data.partition(b"\r\n\r\n")
        if end:
            answer = parse_head(head, rest)
            if answer.status >= 200:
                return answer
            data = rest  # An interim answer (RFC 9110 §15.2): the real one follows.
            continue
        if len(data) > MAX_HEAD_BYTES:
            raise ProtocolError("its headers are too long")
        more = sock.recv(_RECEIVE_BYTES)
        if not more:
            raise ConnectionResetError("connection closed without an answer") if not data else ProtocolError("its headers are cut off")
        data += more


def read_body(sock: socket, answer: Answer, limit: int) -> bytes:
    """The whole body; ProtocolError when it is longer than `limit` or cut off."""
    pieces = [answer.body.feed(answer.rest)]
    size = len(pieces[0])
    while not answer.body.finished and size <= limit:
        data = sock.recv(_RECEIVE_BYTES)
        if not data:
            if isinstance(answer.body, Counter) and answer.body.ends_with_connection:
                break
            raise ProtocolError("the answer is cut off")
        pieces.append(answer.body.feed(data))
        size += len(pieces[-1])
    if size > limit:
        raise ProtocolError("the answer is too large")
    return b"".join(pieces)


def parse_head(head: bytes, rest: bytes) -> Answer:
    """Status line and headers; names are lower case, a repeated name keeps its last value."""
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, _, status = status_line.partition(" ")
    code = status[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (code.isascii() and code.isdigit() and len(code) == 3):
        raise ProtocolError(status_line[:80] or "an empty status line")
    headers = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if not separator or not name or name != name.strip():
            raise ProtocolError("a header has no name")
        headers[name.lower()] = value.strip()
    return Answer(int(code), headers, rest)


def _decoder(status: int, headers: Mapping[str, str]) -> Decoder:
    if status in _NO_BODY or status < 200:
        return Counter(0)
    coding = headers.get("transfer-encoding", "").lower()
    if coding:
        if coding != "chunked":
            raise ProtocolError(f"transfer coding {coding[:40]!r}")
        return Dechunker()
    length = headers.get("content-length")
    if length is None:
        return Counter(None)
    if not (length.isascii() and length.isdigit()):
        raise ProtocolError("its length is not a number")
    return Counter(int(length[:18]))
