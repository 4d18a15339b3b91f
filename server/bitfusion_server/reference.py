"""`python -m bitfusion_server.reference DIR`: the generated reference pages of the server, made from its tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from bitfusion_core import metrics
from bitfusion_core.metrics import Subject
from bitfusion_core.settings import TABLE, Scope, Setting, environment_name
from bitfusion_server.api import openapi
from bitfusion_server.api.routes import ROUTES
from bitfusion_server.auth.access import Permission, roles_with
from bitfusion_server.metrics import prometheus

_GENERATED = "This page is generated: `python -m bitfusion_server.reference docs/reference`.\n"

_SCOPES = {
    Scope.PROCESS: "Read at the start: file, environment, command line",
    Scope.GLOBAL: "For all servers at once",
    Scope.SERVER: "For all servers, or for one",
    Scope.CLIENT: "For all clients, or for one",
}


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {
        "openapi.json": json.dumps(openapi.document(ROUTES), indent=1, sort_keys=True) + "\n",
        "routes.md": "\n".join(_routes()) + "\n",
        "metrics.md": "\n".join(_metrics()) + "\n",
        "settings.md": "\n".join(_settings()) + "\n",
    }


def _routes() -> Iterator[str]:
    yield "# Routes of the HTTP API\n"
    yield _GENERATED
    yield "[The HTTP API](http-api.md) says how to use them; [openapi.json](openapi.json) has every field, as the server itself at `/v1/openapi.json`.\n"
    yield "| method | path | who | what | errors beside the usual |\n|---|---|---|---|---|"
    for route in ROUTES:
        who = "everybody" if route.permission is Permission.PUBLIC else ", ".join(role.value for role in roles_with(route.permission))
        errors = ", ".join(f"`{error.code}`" for error in route.errors)
        yield f"| {route.method} | `{route.path}` | {who} | **{route.summary}** {route.handler.__doc__} | {errors} |"


def _metrics() -> Iterator[str]:
    yield "# Metrics\n"
    yield _GENERATED
    yield "[Metrics and history](../operate/metrics.md) says how to read them. Values are in base units. Prometheus sees those of servers, under the name given.\n"
    yield "| figure | unit in the history | of | from | over a longer time | meaning | Prometheus |\n|---|---|---|---|---|---|---|"
    for row in metrics.TABLE:
        instance = f", each {row.instance.value}" if row.instance.value else ""
        name = f"`{prometheus.name_of(row)}`" if row.subject is Subject.SERVER else ""
        yield f"| `{row.name}` | {row.history_unit} | {row.subject.value}{instance} | {row.source.value} | {row.aggregation.value} | {row.help} | {name} |"
    yield "\n## Windows\n\n| window | one point every | kept for |\n|---|---|---|"
    for window in metrics.WINDOWS:
        step = f"{window.step_s} s" if window is not metrics.WINDOWS[0] else "`metrics.interval_s`"
        yield f"| {window.name} | {step} | {window.keep_s / 3600:g} h |"


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield _GENERATED
    yield "[Settings of servers and clients](../operate/settings.md) says where values come from and how to change them."
    for scope, title in _SCOPES.items():
        yield f"\n## {title}\n\n| setting | type | default | range | meaning | variable |\n|---|---|---|---|---|---|"
        yield from (_setting(row) for row in TABLE if row.scope is scope)


def _setting(row: Setting) -> str:
    default = str(row.default).lower() if row.type is bool else str(row.default)
    bounds = f"{row.low:.15g} to {row.high:.15g}" if row.low is not None and row.high is not None else ""
    secret = " (secret)" if row.secret else ""
    return f"| `{row.name}` | {row.type.__name__} | {f'`{default}`' if default else 'empty'} | {bounds} | {row.help}{secret} | `{environment_name(row)}` |"


def main() -> None:
    """Write all pages into a directory."""
    directory = Path(sys.argv[1])
    for name, text in pages().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
