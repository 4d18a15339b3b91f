"""Amounts as people write them: memory, durations, shares of a GPU."""

from __future__ import annotations

import math
import re

from bitfusion_core.errors import InvalidValue

MIB = 1024 * 1024

_MEMORY_FACTORS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", start=1):
    # GPU memory is binary whatever the label: 16 GB on the box is 16 GiB.
    for _unit in (_letter, _letter + "B", _letter + "IB"):
        _MEMORY_FACTORS[_unit] = 1024**_power
_DURATION_FACTORS = {"": 1, "s": 1, "m": 60, "h": 3600}

_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-z]*)", re.ASCII)
_COMPOUND = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?", re.ASCII)
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+|[0-9]+\.", re.ASCII)


def parse_memory(text: str) -> int:
    """Bytes of `16GiB`, `1024M`, `4096`."""
    match = _MEMORY.fullmatch(text.strip())
    factor = _MEMORY_FACTORS.get(match.group(2).upper()) if match else None
    if match is None or factor is None:
        raise InvalidValue(f"{text!r} is not an amount of memory", hint="Write a number and a unit, for example 16GiB or 1024M.")
    return int(float(match.group(1)) * factor)


def parse_duration(text: str) -> float:
    """Seconds of `10`, `10s`, `10m`, `10h`, `2m30s`."""
    compound = _COMPOUND.fullmatch(text.strip())
    if compound is not None and compound.group(0):
        hours, minutes, seconds = (int(group or 0) for group in compound.groups())
        return float(hours * 3600 + minutes * 60 + seconds)
    match = _DURATION.fullmatch(text.strip())
    factor = _DURATION_FACTORS.get(match.group(2)) if match else None
    if match is None or factor is None:
        raise InvalidValue(f"{text!r} is not a duration", hint="Write seconds, or a number with s, m or h, for example 90, 10s, 5m, 1h.")
    return float(match.group(1)) * factor


def format_duration(seconds: float) -> str:
    """The shortest spelling `parse_duration` reads back: `90s`, `5m`, `1h`."""
    for unit, factor in (("h", 3600), ("m", 60)):
        if seconds >= factor and seconds % factor == 0:
            return f"{int(seconds // factor)}{unit}"
    return f"{seconds:g}s"


def parse_megabytes(text: str) -> int:
    """A whole number of MiB above zero."""
    if not re.fullmatch(r"[0-9]+", text.strip(), re.ASCII) or int(text) == 0:
        raise InvalidValue(f"{text!r} is not an amount of GPU memory", hint="Give the memory of each GPU in MB, for example -m 4096.")
    return int(text)


def parse_partial(text: str) -> tuple[float | None, int | None]:
    """(fraction, None) for a value up to 1, (None, MiB) above: `-p 0.5`, `-p 4096`."""
    stripped = text.strip()
    value = float(stripped) if _NUMBER.fullmatch(stripped) else math.nan
    if not value > 0.0 or (value > 1.0 and value != int(value)):
        raise InvalidValue(
            f"{text!r} is not a share of a GPU", hint="Give a fraction above 0.0 and up to 1.0, for example -p 0.5, or MB with -m."
        )
    return (value, None) if value <= 1.0 else (None, int(value))


def format_fraction(fraction: float) -> str:
    """`1`, `0.5`: no trailing zeros."""
    return f"{fraction:g}"
