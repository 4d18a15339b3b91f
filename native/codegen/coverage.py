"""The coverage page: every entry point, how it is served, and why not where it is not."""

from __future__ import annotations

from itertools import groupby

from native.spec.model import Api, Call, CallClass

_TITLES = {Api.CUDA: "CUDA driver", Api.NVML: "NVML"}
_WORDS = {CallClass.LOCAL: "client", CallClass.ASYNC: "server, without waiting", CallClass.SYNC: "server", CallClass.REFUSED: "refused"}


def coverage_page(rows: list[Call], api: Api) -> str:
    """A Markdown page for one API."""
    rows = [row for row in rows if row.api is api]
    served = [row for row in rows if row.call_class is not CallClass.REFUSED]
    head = (
        f"# Coverage of the {_TITLES[api]} interface\n\n"
        "Generated from `native/spec` by `python -m native.codegen --docs docs/reference`; do not edit.\n\n"
        f"{len(rows)} entry points, {len(served)} served, {len(rows) - len(served)} refused. A refused call answers\n"
        '"not supported" and is logged once, by name.\n'
    )
    return head + "".join(_area(area, list(group)) for area, group in groupby(rows, key=lambda row: row.area))


def _area(area: str, rows: list[Call]) -> str:
    lines = [f"\n## {area.replace('_', ' ').capitalize()}\n", "| call | since | answered by |", "|---|---|---|"]
    for row in rows:
        answer = _WORDS[row.call_class] + (f": {row.reason}" if row.reason else "")
        suffix = f", `_{row.per_thread}`" if row.per_thread else ""
        lines.append(f"| `{row.name}`{suffix} | {row.since or '-'} | {answer} |")
    return "\n".join(lines) + "\n"
