from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_client import http11
from bitfusion_client.http11 import Dechunker, ProtocolError


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: ours and theirs."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


def answer(ends: tuple[socket.socket, socket.socket], data: bytes, *, close: bool = True) -> tuple[int, bytes, bool]:
    """Status and body of this answer, and whether the connection can be used again."""
    ours, theirs = ends

    def send() -> None:
        theirs.sendall(data)
        if close:
            theirs.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        got = http11.exchange(ours, b"")
        return got.status, http11.read_body(ours, got, 1000), got.keeps_connection
    finally:
        sender.join()


def test_counted_body(ends: tuple[socket.socket, socket.socket]) -> None:
    """A body of a stated length ends there, and the connection stays."""
    assert answer(ends, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", close=False) == (200, b"{}", True)


def test_chunked_body_after_an_interim_answer(ends: tuple[socket.socket, socket.socket]) -> None:
    """1xx answers are passed over."""
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"

    assert answer(ends, data, close=False) == (400, b"abc", True)


def test_body_until_the_connection_ends(ends: tuple[socket.socket, socket.socket]) -> None:
    """Without a length the body ends with the connection."""
    assert answer(ends, b"HTTP/1.0 200 OK\r\n\r\nabc") == (200, b"abc", False)


def test_no_body(ends: tuple[socket.socket, socket.socket]) -> None:
    """204 has none."""
    assert answer(ends, b"HTTP/1.1 204 No Content\r\n\r\n", close=False) == (204, b"", True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"a" * 1001,
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 ok\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"a" * 70000,
    ],
)
def test_broken_answers(ends: tuple[socket.socket, socket.socket], data: bytes) -> None:
    """What is cut off, too long or not HTTP is refused, never taken for a shorter answer."""
    with pytest.raises(ProtocolError):
        answer(ends, data)


def test_connection_closed_without_an_answer(ends: tuple[socket.socket, socket.socket]) -> None:
    """A kept connection that the server has closed is told from a wrong answer: the request may be repeated."""
    with pytest.raises(ConnectionResetError):
        answer(ends, b"")


@given(st.binary(max_size=200))
def test_any_head(data: bytes) -> None:
    """No input makes the reader fail in another way."""
    try:
        http11.parse_head(data, b"")
    except ProtocolError:
        return


def test_line_breaks_do_not_reach_the_headers() -> None:
    """A token with a line break cannot add a header."""
    with pytest.raises(ValueError, match="line break"):
        http11.request_head("GET", "/", {"Authorization": "x\r\nHost: other"})


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_chunks_in_any_pieces(chunks: list[bytes], data: st.DataObject) -> None:
    """The payload does not depend on how the bytes arrive."""
    coded = b"".join(f"{len(chunk):X};extension\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(coded)), max_size=8)))
    dechunker = Dechunker()

    pieces = [dechunker.feed(coded[start:end]) for start, end in zip([0, *cuts], [*cuts, len(coded)])]

    assert b"".join(pieces) == b"".join(chunks)
    assert dechunker.finished


@given(st.binary(max_size=200))
def test_any_bytes_are_payload_or_an_error(data: bytes) -> None:
    """No input makes the reader fail in another way, or return more than it was given."""
    try:
        assert len(Dechunker().feed(data)) <= len(data)
    except ProtocolError:
        return


@pytest.mark.parametrize("data", [b"x\r\n", b"-1\r\n", b"\r\n", b"123456789\r\n", b"1\r\nab\r\n", b"a" * 5000])
def test_bad_chunks(data: bytes) -> None:
    """What is no chunk is refused."""
    with pytest.raises(ProtocolError):
        Dechunker().feed(data)
