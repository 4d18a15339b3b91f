"""Amounts as people write them."""

from __future__ import annotations

import pytest

from bitfusion_core import units
from bitfusion_core.errors import InvalidValue


@pytest.mark.parametrize(
    "text, expected",
    [("16GiB", 16 << 30), ("16 GB", 16 << 30), ("16g", 16 << 30), ("1024M", 1 << 30), ("4096", 4096), ("1.5KiB", 1536)],
)
def test_memory(text: str, expected: int) -> None:
    """Units are binary whatever their spelling; a bare number is bytes."""
    assert expected == units.parse_memory(text)


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1XB", "1e9", "१६GiB"])
def test_bad_memory(text: str) -> None:
    """What is not an amount is refused."""
    with pytest.raises(InvalidValue, match="not an amount"):
        units.parse_memory(text)


@pytest.mark.parametrize("text, expected", [("10", 10), ("10s", 10), ("10m", 600), ("10h", 36000), ("0.5s", 0.5)])
def test_duration(text: str, expected: float) -> None:
    """The four spellings of the guide, and fractions."""
    assert expected == units.parse_duration(text)


@pytest.mark.parametrize("text", ["", "s", "10x", "-3", "10 minutes", "inf", "nan"])
def test_bad_duration(text: str) -> None:
    """What is not a duration is refused."""
    with pytest.raises(InvalidValue, match="not a duration"):
        units.parse_duration(text)


@pytest.mark.parametrize("seconds, text", [(90, "90s"), (300, "5m"), (3600, "1h"), (0.5, "0.5s")])
def test_duration_round_trip(seconds: float, text: str) -> None:
    """A printed duration is read back."""
    assert text == units.format_duration(seconds)
    assert seconds == units.parse_duration(text)


@pytest.mark.parametrize(
    "text, expected", [("0.5", (0.5, None)), (".25", (0.25, None)), ("1", (1.0, None)), ("1.0", (1.0, None)), ("4096", (None, 4096))]
)
def test_partial(text: str, expected: object) -> None:
    """Up to one a value is a fraction, above it is MB."""
    assert expected == units.parse_partial(text)


@pytest.mark.parametrize("text", ["0", "0.0", "-0.5", "1.5", "nan", "inf", "", "half", "1e3"])
def test_bad_partial(text: str) -> None:
    """A share outside (0, 1] that is not whole MB either is refused."""
    with pytest.raises(InvalidValue, match="not a share"):
        units.parse_partial(text)


@pytest.mark.parametrize("text", ["0", "-4", "1.5", "4GiB", ""])
def test_bad_megabytes(text: str) -> None:
    """-m takes whole MB."""
    with pytest.raises(InvalidValue):
        units.parse_megabytes(text)
