"""`python -m bitfusion_client.reference`: the reference page docs/reference/cli.md, made from the tables of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import cast

import click

from bitfusion_client import errors, handover, helping, preferences
from bitfusion_client.catalogue import ROWS, Row
from bitfusion_core.errors import BitfusionError, by_code

_HEAD = """# The command line

This page is generated: `python -m bitfusion_client.reference > docs/reference/cli.md`.

Results go to standard output, everything else the product says to standard error; with `run` and `client`, standard output is the
application's alone. Words in option names may be joined by `_` or `-`.

```
{screen}
```
"""

_FILES = """## Files and variables

| what | where |
|---|---|
| servers | `-l`, else `-s`, else `BITFUSION_SERVER_LIST`, else `servers.conf` in `BITFUSION_HOME` (default `~/.bitfusion`), else `/etc/bitfusion/servers.conf` |
| identity: `access_token`, `client_id`, `ca_file` (optional) | `client.yaml` in the same two places; `client_id` is claimed at the first use and written there |
| certificate authority | `ca_file` of `client.yaml`, else `tls/ca.crt` in `BITFUSION_HOME`, else `/etc/bitfusion/tls/ca.crt` |
| allocation | `-f`, else `BITFUSION_ALLOCATION`, else the newest of the user's `/tmp/bitfusion<digits>` made by `request_gpus` (`BITFUSION_ALLOCATION_DIR` names another folder than `/tmp`) |
| libraries | `BITFUSION_LIB_DIR`, else `build/lib/client` of a source checkout, else `/usr/lib/bitfusion/lib` |

`servers.conf` holds a server a line, as `ip`, `ip:port` or `ip port` (default port 56001; `#` begins a comment), or YAML:

```yaml
servers:
- reachable: 10.202.8.169:56001    # the address to use
  addresses:                       # all networks of the server; tried when 'reachable' is missing or does not answer
  - 10.202.8.169:56001
```

When another address of a server answers than `reachable`, the file is written anew with a dated copy beside it. A file that cannot be
written is left as it is.

## bitfusion.yaml

`/etc/bitfusion/bitfusion.yaml` and the user's, in `BITFUSION_HOME`, are merged; the user's values win, and the environment over both.
`bitfusion config show --origin` says where each value comes from. A wrong name or value is an error, never silence.

| setting | environment | default | meaning |
|---|---|---|---|
"""

_PROCESSES = """
## What `run` does to processes

The application stays in the process group, session and terminal of `bitfusion run`. Keys such as ctrl-C and ctrl-Z act on it directly; signals
that are sent to `bitfusion run` are passed on; when the application is stopped by its terminal, so is `bitfusion run`. When `bitfusion run`
is killed, the application and everything it has started (found by `BITFUSION_LAUNCH` in the environment) are killed, and the allocation file is
removed. `LD_LIBRARY_PATH` gets the library directory in front, `PATH` the folder of the delivered programs at its end; nothing else of the
environment changes except the variables above.

`nvidia-smi` need not be on the client: at the end of `PATH` stands a small program of that name, which fetches the server's own, keeps it by its
hash below `cache_store.client_root` (`~/cache`) and executes it.

The log line "launching telemetry process" is kept for programs that wait for it; nothing is reported to anybody but the server.

A control connection is held for as long as the application runs. If the manager restarts, it is made anew; if the server takes the GPUs away,
or cannot be reached for 60 s, the application gets SIGTERM, and SIGKILL 5 s later.

## Exit codes

`run` and `client` return the application's own exit code, or 128+N if signal N ended it. When the application was not started:
124 the GPUs did not become free in time; 125 any other failure of ours; 126 the application cannot be executed; 127 it was not found;
128+N cancelled by signal N. An application that was cut off by the server never returns 0.

The other commands return 0, 1 for a defect of ours, 128+N when cancelled by signal N, or the code of the error. The error's name stands in the last line
of the message, and in `code` with `--json`; a failure is then one JSON object on standard error, `{"version": 1, "error": {…}}`.

| exit code | error | meaning |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD.format(screen=helping.screen().rstrip())]
    for row in ROWS:
        parts += _pages(row)
    parts.append(_FILES + _preference_table() + _PROCESSES + _error_table())
    return "\n".join(parts)


def _pages(row: Row) -> Iterator[str]:
    """The page of a command, and of those below it."""
    command = command_of(row)
    context = click.Context(command, info_name=row.name, parent=click.Context(click.Group("bitfusion"), info_name="bitfusion"))
    yield f"## {row.title}\n\n```\n{command.get_help(context)}\n```\n"
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        page = below.get_help(click.Context(below, info_name=name, parent=context))
        yield f"### {row.name} {name}\n\n```\n{page}\n```\n"


def command_of(row: Row) -> click.Command:
    """The command of a row."""
    return handover.command(row) if row.server else cast(click.Command, import_module(f"bitfusion_client.commands.{row.name}").command)


def error_rows() -> list[tuple[int, str, str]]:
    """Exit code, name and title of every error."""
    return sorted((kind.exit_code, code, kind.title) for code, kind in by_code().items() if _documented(kind))


def _preference_table() -> str:
    rows = (
        (row.name, row.variable, row.default, row.meaning + (f"; no effect: {row.missing}" if row.missing else ""))
        for row in preferences.TABLE
    )
    return "".join(f"| `{name}` | `{variable}` | `{default}` | {meaning} |\n" for name, variable, default, meaning in rows).replace(
        "| `` |", "| |"
    )


def _error_table() -> str:
    return "".join(f"| {number} | `{code}` | {title} |\n" for number, code, title in error_rows())


def _documented(kind: type[BitfusionError]) -> bool:
    """Errors of ours; other packages of the process may have added their own."""
    return kind is not errors.Cancelled and kind.__module__.startswith(("bitfusion_core.", "bitfusion_client."))


if __name__ == "__main__":
    print(page(), end="")
