"""Which test exercises which entry point: read from the sources of the tests."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from native.spec.model import Api
from native.spec.registry import calls

_ROOT = Path(__file__).parents[2]
_CONFORMANCE = _ROOT / "native" / "tests" / "conformance"
_CASES = _ROOT / "tests" / "native" / "driver_cases.py"
_PROGRAMS = _ROOT / "tests" / "cuda" / "programs"
_CHECK = re.compile(r"\b(?:CALL|CALL_ON_GPU|EQUAL)\(")


@cache
def _groups() -> dict[str, str]:
    """Text of each group of the conformance suite, with that of the helpers in its file."""
    found = {}
    for path in sorted(_CONFORMANCE.glob("*.cpp")):
        parts = re.split(r"^GROUP\((\w+)\)", path.read_text(), flags=re.MULTILINE)
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            found[name] = parts[0] + body
    return found


def groups() -> list[str]:
    """Names of the groups of the conformance suite."""
    return list(_groups())


def checks() -> int:
    """Checks written down in the suite."""
    return sum(len(_CHECK.findall(path.read_text())) for path in _CONFORMANCE.glob("*.cpp"))


def tests_of_calls() -> dict[str, list[str]]:
    """Tests by the name of the entry point that they call."""
    tests: dict[str, list[str]] = defaultdict(list)
    sources = {**_groups(), "driver_cases": _CASES.read_text()}
    sources |= {path.stem: _as_symbols(path.read_text()) for path in sorted(_PROGRAMS.glob("*.cu"))}
    names = {row.name for row in calls(Api.CUDA)}
    for test, text in sources.items():
        for name in sorted(set(re.findall(r"\bcu[A-Z]\w*", text)) & names):
            tests[name].append(test)
    return tests


def _as_symbols(text: str) -> str:
    """A program's calls under the names that cuda.h gives them: the newest variant of its base name that is not later than CUDA 12."""
    variants: dict[str, str] = {}
    for row in sorted(calls(Api.CUDA), key=lambda row: row.since):
        if row.since <= 12000:
            variants[re.sub(r"_v\d+$", "", row.name)] = row.name
    return re.sub(r"\bcu[A-Z]\w*", lambda match: variants.get(match[0], match[0]), text)
