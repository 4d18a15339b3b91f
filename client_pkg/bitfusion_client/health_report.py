"""How results of health checks are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bitfusion_client import checks, output
from bitfusion_client.checks import Result

_COLOURS = {checks.PASS: output.GREEN, checks.MARGINAL: output.YELLOW, checks.CRITICAL: output.RED}


def lines(title: str, results: Sequence[Result]) -> Iterable[str]:
    """One machine."""
    yield f"- {title}: {_painted(checks.overall(results))}"
    width = max((len(one.name) for one in results), default=0)
    for one in results:
        yield f"|- {_painted(one.status, 8)} {one.kind:<11} {one.name.ljust(width)}  {one.detail}"


def fields(results: Sequence[Result]) -> Mapping[str, Any]:
    """One machine, for programs."""
    rows = [{"name": one.name, "type": one.kind, "status": one.status, "details": one.detail} for one in results]
    return {"status": checks.overall(results), "checks": rows}


def _painted(status: str, width: int = 0) -> str:
    return output.paint(status.ljust(width), _COLOURS[status])
