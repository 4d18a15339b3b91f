"""The coverage page: every entry point, how it is served, and why not where it is not."""

from __future__ import annotations

from itertools import groupby

from native.codegen.tested import checks, tests_of_calls
from native.spec.model import Api, Call, CallClass

_TITLES = {Api.CUDA: "CUDA driver", Api.NVML: "NVML"}
_WORDS = {CallClass.LOCAL: "client", CallClass.ASYNC: "server, without waiting", CallClass.SYNC: "server", CallClass.REFUSED: "refused"}


def coverage_page(rows: list[Call], api: Api) -> str:
    """A Markdown page for one API."""
    rows = [row for row in rows if row.api is api]
    served = [row for row in rows if row.call_class is not CallClass.REFUSED]
    tests = tests_of_calls() if api is Api.CUDA else {}
    head = (
        f"# Coverage of the {_TITLES[api]} interface\n\n"
        "Generated from `native/spec` by `python -m native.codegen --docs docs/reference`; do not edit.\n\n"
        f"{len(rows)} entry points, {len(served)} served, {len(rows) - len(served)} refused. A refused call answers\n"
        '"not supported" and is logged once, by name.\n'
    )
    if tests:
        exercised = sum(row.name in tests for row in served)
        head += (
            f"\nA test by name exercises {exercised} of those served: a group of the conformance suite (`native/tests/conformance`, {checks()}\n"
            "checks), `driver_cases` (`tests/native`) or a program of `tests/cuda/programs`; each runs on the driver itself and through the product.\n"
        )
    return head + "".join(_area(area, list(group), tests) for area, group in groupby(rows, key=lambda row: row.area))


def _area(area: str, rows: list[Call], tests: dict[str, list[str]]) -> str:
    columns = ["call", "since", "answered by", *(["tested by"] if tests else [])]
    lines = [f"\n## {area.replace('_', ' ').capitalize()}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        answer = _WORDS[row.call_class] + (f": {row.reason}" if row.reason else "")
        suffix = f", `_{row.per_thread}`" if row.per_thread else ""
        tested = f" {', '.join(tests.get(row.name, [])[:3])} |" if tests else ""
        lines.append(f"| `{row.name}`{suffix} | {row.since or '-'} | {answer} |{tested}")
    return "\n".join(lines) + "\n"
