"""A response body as JSON lines, read without ever blocking: the caller polls `fileno()` together with its other descriptors."""

from __future__ import annotations

import json
import ssl
from socket import socket
from typing import Any

from bitfusion_client.http11 import Answer, ProtocolError

MAX_LINE_BYTES = 1 << 20


class StreamError(Exception):
    """The stream broke off or is not a stream of JSON objects."""


class LineStream:
    """Events of one streaming answer. Closing it tells the other side that we are gone."""

    def __init__(self, sock: socket, answer: Answer) -> None:
        self._socket = sock
        self._body = answer.body
        self._arrived = answer.rest
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
        events: list[dict[str, Any]] = []
        if self._arrived:
            data, self._arrived = self._arrived, b""
            events += self._feed(data)
        while not self._ended:
            try:
                data = self._socket.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                break
            except (OSError, ValueError) as error:
                raise StreamError(str(error)) from error
            events += self._feed(data)
        return events

    def _feed(self, data: bytes) -> list[dict[str, Any]]:
        try:
            payload = self._body.feed(data)
        except ProtocolError as error:
            raise StreamError(str(error)) from error
        self._ended = not data or self._body.finished
        *complete, self._partial = (self._partial + payload).split(b"\n")
        if len(self._partial) > MAX_LINE_BYTES:
            raise StreamError("a line is too long")
        return [_event(line) for line in complete if line.strip()]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StreamError("a line is not JSON") from error
    if not isinstance(event, dict):
        raise StreamError("a line is not a JSON object")
    return event
