"""`bitfusion release_gpus`: give back what request_gpus has reserved."""

from __future__ import annotations

import click

from bitfusion_client import allocation, config, identity, lease, log
from bitfusion_client.allocation import Allocation
from bitfusion_client.errors import NoAllocation
from bitfusion_client.helping import Command
from bitfusion_client.http import Manager
from bitfusion_client.options import parse_count, parse_share, server_options, share_options

EXAMPLES = ("bitfusion release_gpus", "bitfusion release_gpus -f /tmp/bitfusion940406361")
NOTES = """Without -f and BITFUSION_ALLOCATION it takes your newest reservation that matches the options:
give the same -n, -p, -m, -s or -l as to request_gpus to choose among several."""


@click.command("release_gpus", cls=Command, examples=EXAMPLES, notes=NOTES)
@click.option("-f", "--file", "file", metavar="file", help="release the GPUs of this allocation file")
@click.option("-n", "--num_gpus", metavar="number", help="number of GPUs of the reservation")
@share_options
@server_options
def command(
    file: str | None,
    num_gpus: str | None,
    partial: str | None,
    memory: str | None,
    servers_file: str | None,
    server_list: str | None,
) -> None:
    """Give back GPUs reserved by request_gpus."""
    count = None if num_gpus is None else parse_count(num_gpus)
    fraction, memory_mib = parse_share(partial, memory)
    servers = config.servers(servers_file, server_list) if servers_file or server_list else None
    named = allocation.chosen(file)
    candidates = allocation.reserved() if named is None else [named]

    def fits(candidate: Allocation) -> bool:
        return (
            count in (None, candidate.gpus)
            and memory_mib in (None, candidate.memory_mib)
            and (fraction is None or abs(fraction - candidate.fraction) < 0.005)
            and (servers is None or any(candidate.server in server.ways for server in servers))
        )

    matching = [candidate for candidate in candidates if fits(candidate)]
    if not matching:
        raise NoAllocation("no GPUs are reserved" if not candidates else "no reservation matches these options", hint=_hint(candidates))
    _release(matching[0])


def _hint(candidates: list[Allocation]) -> str:
    if not candidates:
        return "There is nothing to release; 'bitfusion request_gpus' reserves GPUs."
    kinds = "; ".join(f"{one.path}: -n {one.gpus}, {one.memory_mib} MB each, server {one.server}" for one in candidates)
    return f"Give the options of the request, or name the file with -f. Reserved are {kinds}."


def _release(chosen: Allocation) -> None:
    log.info(f"Releasing GPUs from config file '{chosen.path}'...")
    manager = Manager(chosen.server, identity.load())
    known = lease.release(manager, chosen.session)
    manager.close()
    allocation.remove(chosen.path)
    if not known:
        log.warn(f"Server {chosen.server} had ended this allocation already")
    log.info(f"Released GPUs on 1 servers and removed generated config file '{chosen.path}'")
