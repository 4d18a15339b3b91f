"""Options that several commands share, each spelled once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, TypeVar

import click

from bitfusion_client.errors import UsageError
from bitfusion_core import units
from bitfusion_core.models import DEFAULT_WAIT_S, MAX_GPUS_PER_REQUEST, LeaseRequest

F = TypeVar("F", bound=Callable[..., Any])


def _apply(decorators: Sequence[Callable[[F], F]], function: F) -> F:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def server_options(function: F) -> F:
    """-s and -l: which servers."""
    return _apply(
        (
            click.option("-s", "--servers", "servers_file", metavar="file", help="take the servers from this file instead of servers.conf"),
            click.option(
                "-l", "--server_list", metavar='"ip:port;ip:port"', help="use these servers; keep the quotes, the list holds semicolons"
            ),
        ),
        function,
    )


def share_options(function: F) -> F:
    """-p and -m: how much of each GPU."""
    return _apply(
        (
            click.option(
                "-p", "--partial", metavar="fraction", help="part of each GPU's memory, above 0.0 and up to 1.0; above 1 it means MB"
            ),
            click.option("-m", "--memory", metavar="MB", help="memory of each GPU in MB"),
        ),
        function,
    )


def request_options(function: F) -> F:
    """Everything that a request for GPUs can say."""
    count = click.option("-n", "--num_gpus", metavar="number", help="number of GPUs, all of one server (required)")
    wait = click.option("-t", "--timeout", metavar="time", help="longest wait for free GPUs: 10, 10s, 10m or 10h (default 30m)")
    only = click.option(
        "--filter",
        "filters",
        metavar="key=value",
        multiple=True,
        help="only such servers or GPUs; repeat a key for alternatives, see below",
    )
    return count(share_options(wait(server_options(only(function)))))


def json_option(function: F) -> F:
    """--json: results for programs."""

    def remember(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
        ctx.ensure_object(dict)["json"] = value
        return value

    return click.option("--json", "as_json", is_flag=True, is_eager=True, callback=remember, help="print JSON (version 1)")(function)


def parse_count(text: str | None) -> int:
    """The value of -n."""
    hint = "Give the number of GPUs with -n, for example -n 1."
    if text is None:
        raise UsageError("option -n is missing", hint=hint)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MAX_GPUS_PER_REQUEST:
        raise UsageError(f"-n {text}: not a number of GPUs from 1 to {MAX_GPUS_PER_REQUEST}", hint=hint)
    return int(text)


def parse_share(partial: str | None, memory: str | None) -> tuple[float | None, int | None]:
    """(fraction, MiB) from -p and -m, of which one at most may be given."""
    if partial is not None and memory is not None:
        raise UsageError("-p and -m exclude each other", hint="Give the part of the memory as a fraction with -p, or in MB with -m.")
    if memory is not None:
        return None, units.parse_megabytes(memory)
    return (None, None) if partial is None else units.parse_partial(partial)


def lease_request(hold: str, given: dict[str, Any], command: Sequence[str] = (), auto_release_s: float = 0.0) -> LeaseRequest:
    """The request that the options of `request_options` describe."""
    from bitfusion_core import filters

    fraction, memory_mib = parse_share(given["partial"], given["memory"])
    return LeaseRequest(
        gpus=parse_count(given["num_gpus"]),
        fraction=fraction,
        memory_mib=memory_mib,
        filters=filters.parse(given["filters"]),
        timeout_s=DEFAULT_WAIT_S if given["timeout"] is None else units.parse_duration(given["timeout"]),
        hold=hold,
        auto_release_s=auto_release_s,
        command=tuple(command),
    )


def filter_notes() -> str:
    """The filter keys, for help pages."""
    return """Filters (the same key repeated means "or", different keys mean "and"):
  server.addr, server.hostname, server.has-rdma, server.cuda-version,
  server.driver-version, device.id, device.name, device.phy-memory"""
