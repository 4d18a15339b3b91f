"""A response body as JSON lines, read without ever blocking: the caller polls `fileno()` together with its other descriptors."""

from __future__ import annotations

import http.client
import json
import ssl
from socket import socket
from typing import Any

MAX_LINE_BYTES = 1 << 20


class StreamError(Exception):
    """The stream broke off or is not a stream of JSON objects."""


class Dechunker:
    """Undoes HTTP/1.1 chunked coding (RFC 9112 §7.1) on bytes that arrive in any pieces."""

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
                raise StreamError("a chunk has no end of line")
            return None
        self._buffer = rest
        return line

    def _on_line(self, line: bytes) -> None:
        if self._after_data:
            if line:
                raise StreamError("a chunk is longer than it says")
            self._after_data = False
            return
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
            raise StreamError("a chunk has no size")
        self._remaining = int(digits, 16)
        self.finished = self._remaining == 0


class LineStream:
    """Events of one streaming answer. Closing it tells the other side that we are gone."""

    def __init__(self, response: http.client.HTTPResponse, sock: socket, connection: http.client.HTTPConnection | None) -> None:
        self._response = response
        self._socket = sock
        self._connection = connection
        self._dechunker = Dechunker() if response.chunked else None
        self._partial = b""
        self._ended = False
        self._socket.settimeout(0)

    def fileno(self) -> int:
        """Descriptor that becomes readable when events may have arrived."""
        return self._socket.fileno()

    @property
    def ended(self) -> bool:
        """True once the other side has finished the stream; events read before that are still returned."""
        return self._ended

    def read(self) -> list[dict[str, Any]]:
        """The events that have arrived; StreamError when the connection broke."""
        lines: list[dict[str, Any]] = []
        while not self._ended:
            try:
                # Through the response's own buffer, which may hold what came with the headers.
                data = self._response.fp.read1(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                break
            except (OSError, ValueError) as error:
                raise StreamError(str(error)) from error
            lines += self._feed(data)
        return lines

    def _feed(self, data: bytes) -> list[dict[str, Any]]:
        if not data:
            self._ended = True
            return []
        if self._dechunker is not None:
            data = self._dechunker.feed(data)
            self._ended = self._dechunker.finished
        *complete, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > MAX_LINE_BYTES:
            raise StreamError("a line is too long")
        return [_event(line) for line in complete if line.strip()]

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        if self._connection is not None:
            self._connection.close()
        self._socket.close()


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StreamError("a line is not JSON") from error
    if not isinstance(event, dict):
        raise StreamError("a line is not a JSON object")
    return event
