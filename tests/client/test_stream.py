from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_client.stream import Dechunker, StreamError


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
    except StreamError:
        return


@pytest.mark.parametrize("data", [b"x\r\n", b"-1\r\n", b"\r\n", b"123456789\r\n", b"1\r\nab\r\n", b"a" * 5000])
def test_bad_chunks(data: bytes) -> None:
    """What is no chunk is refused."""
    with pytest.raises(StreamError):
        Dechunker().feed(data)
