"""The part of YAML that our configuration files use: block mappings, block sequences and plain or quoted scalars.

Anything else (anchors, flow collections, multi-line scalars, tabs) is refused with the line's number rather than guessed at.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_KEY = re.compile(r"""([A-Za-z_][\w.\-]*|"[^"]*"|'[^']*')\s*:(?:\s+(.*)|$)""")
_REFUSED_START = "&*!|>{[%@`"


class YamlError(ValueError):
    """A line that is outside the supported part."""


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def parse(text: str) -> Any:
    """Nested dictionaries, lists and strings; None for an empty document. Scalars stay text: the reader knows the type."""
    lines = [line for line in map(_line, enumerate(text.splitlines(), start=1)) if line.text and line.text != "---"]
    if not lines:
        return None
    value, rest = _block(lines, lines[0].indent)
    if rest:
        raise YamlError(f"line {rest[0].number}: unexpected indentation")
    return value


def quote(text: str) -> str:
    """A scalar that `parse` reads back as the same text."""
    if "'" in text or not text.isprintable():
        raise YamlError(f"{text!r} cannot be written")
    return f"'{text}'"


def _line(numbered: tuple[int, str]) -> _Line:
    number, raw = numbered
    stripped = raw.strip()
    if stripped.startswith("#") or not stripped:
        return _Line(number, 0, "")
    body = raw.lstrip(" ")
    if body.startswith("\t"):
        raise YamlError(f"line {number}: a tab cannot indent")
    return _Line(number, len(raw) - len(body), stripped)


def _is_item(line: _Line) -> bool:
    return line.text == "-" or line.text.startswith("- ")


def _block(lines: list[_Line], indent: int) -> tuple[Any, list[_Line]]:
    if indent > 64:
        raise YamlError(f"line {lines[0].number}: nested too deeply")
    return _sequence(lines, indent) if _is_item(lines[0]) else _mapping(lines, indent)


def _sequence(lines: list[_Line], indent: int) -> tuple[list[Any], list[_Line]]:
    items: list[Any] = []
    while lines and lines[0].indent == indent and _is_item(lines[0]):
        head, lines = lines[0], lines[1:]
        inner = head.text[1:].lstrip()
        if not inner:
            value, lines = _nested(lines, indent)
        elif _KEY.fullmatch(inner):
            # `- key: value` opens a mapping whose further keys are indented as far as the first.
            column = indent + len(head.text) - len(inner)
            value, lines = _mapping([_Line(head.number, column, inner), *lines], column)
        else:
            value = _scalar(inner, head.number)
        items.append(value)
    return items, lines


def _mapping(lines: list[_Line], indent: int) -> tuple[dict[str, Any], list[_Line]]:
    result: dict[str, Any] = {}
    while lines and lines[0].indent == indent and not _is_item(lines[0]):
        head, lines = lines[0], lines[1:]
        match = _KEY.fullmatch(head.text)
        if match is None:
            raise YamlError(f"line {head.number}: expected 'key: value'")
        key = match.group(1).strip("\"'")
        if key in result:
            raise YamlError(f"line {head.number}: {key} is given twice")
        inner = match.group(2) or ""
        if inner and not inner.startswith("#"):
            result[key] = _scalar(inner, head.number)
        else:
            result[key], lines = _nested(lines, indent, same_level_items=True)
    return result, lines


def _nested(lines: list[_Line], indent: int, same_level_items: bool = False) -> tuple[Any, list[_Line]]:
    """The block below a key or a bare dash; a key's sequence may stand at the key's own indentation."""
    if lines and (lines[0].indent > indent or (same_level_items and lines[0].indent == indent and _is_item(lines[0]))):
        return _block(lines, lines[0].indent)
    return None, lines


def _scalar(text: str, number: int) -> str:
    if text[0] in "\"'":
        end = text.find(text[0], 1)
        tail = text[end + 1 :].strip()
        if end < 0 or "\\" in text[:end] or (tail and not tail.startswith("#")):
            raise YamlError(f"line {number}: the quotes do not close, or hold an escape")
        return text[1:end]
    if text[0] in _REFUSED_START:
        raise YamlError(f"line {number}: {text[0]!r} starts a form of YAML that is not supported here")
    return re.split(r"\s+#", text, maxsplit=1)[0].strip()
