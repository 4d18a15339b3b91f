"""`bitfusion run`: request_gpus, client and release_gpus in one, tied to the life of the application."""

from __future__ import annotations

import time
from typing import Any

import click

from bitfusion_client import application, config, launcher, log, preferences
from bitfusion_client.control import ControlLink
from bitfusion_client.helping import Command
from bitfusion_client.options import filter_notes, lease_request, request_options
from bitfusion_client.session import Session, close_session, open_session
from bitfusion_client.stream import LineStream
from bitfusion_core.models import HOLD_CONNECTION

EXAMPLES = (
    "bitfusion run -n 1 -- python train.py --batch 64",
    "bitfusion run -n 2 -p 0.5 -- python train.py",
    'bitfusion run -n 1 -m 5461 -t 10m "python train.py --batch 32"',
    "bitfusion run -n 1 --filter device.name=Tesla -- nvidia-smi",
)
NOTES = f"""{filter_notes()}

Exit codes: the application's own; 124 the GPUs did not become free in time; 125 failed
before the application started; 126 it cannot be executed; 127 not found; 128+N ended by signal N."""


@click.command(
    "run",
    cls=Command,
    examples=EXAMPLES,
    takes="-n number [options] -- application and arguments",
    notes=NOTES,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
)
@request_options
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...], **given: Any) -> int:
    """Reserve GPUs, run an application on them, give them back."""
    preferences.in_use()
    servers = config.servers(given["servers_file"], given["server_list"])
    # Found before the GPUs are asked for: a slip of the pen shall not wait half an hour in the queue.
    target = application.find(words)
    libraries = application.library_directory()
    request = lease_request(HOLD_CONNECTION, given, target.arguments)
    session = open_session(request, servers)
    try:
        _announce(session, target)
        link = ControlLink(session.stream, lambda: _hold_again(session), time.monotonic())
        try:
            return launcher.launch(target, libraries, session.file, link)
        finally:
            link.close()
    finally:
        close_session(session)


def _announce(session: Session, target: application.Application) -> None:
    grant = session.grant
    log.info(f"Running client command '{target.shown}' on {len(grant.gpus)} GPUs, with the following servers:")
    log.info(f"{grant.address} {grant.dispatcher_port} {grant.id} {grant.srs_port} {grant.version}")
    log.info(f"Command started, launching telemetry process: {session.client_id} | {grant.server}")


def _hold_again(session: Session) -> LineStream:
    """In another thread, so over a connection of its own: the application may end meanwhile and the lease be given back."""
    with session.manager.another() as manager:
        return manager.open_lines("GET", f"/v1/leases/{session.grant.id}/hold")
