"""What the servers have: `GET /query` of each, checked and as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple, TypeVar

from bitfusion_client import log
from bitfusion_client.config import Server
from bitfusion_client.http import Manager
from bitfusion_core import __version__
from bitfusion_core.errors import BitfusionError, ManagerUnreachable
from bitfusion_core.models import Gpu, ServerFacts

_PARALLEL = 16
T = TypeVar("T")


class OfferedGpu(NamedTuple):
    """A GPU and how much of it is free."""

    gpu: Gpu
    free_mib: int
    leases: int


class Offer(NamedTuple):
    """A server that answered."""

    server: Server
    facts: ServerFacts
    version: str
    accepting: bool
    tasks: int
    gpus: tuple[OfferedGpu, ...]


def parse_offer(server: Server, answer: Any) -> Offer:
    """The answer to `GET /query` as values, or an error when it is not one."""
    try:
        facts = ServerFacts(
            address=str(answer["address"]),
            hostname=str(answer["hostname"]),
            driver_version=str(answer["driver_version"]),
            cuda_version=str(answer["cuda_version"]),
            has_rdma=bool(answer["has_rdma"]),
        )
        gpus = tuple(_offered_gpu(gpu) for gpu in answer["gpus"])
        return Offer(server, facts, str(answer["version"]), bool(answer["accepting"]), int(answer["tasks"]), gpus)
    except (KeyError, TypeError, ValueError) as error:
        raise ManagerUnreachable(f"{server} does not answer as a server should: {error!r}") from None


def _offered_gpu(gpu: Any) -> OfferedGpu:
    known = Gpu(int(gpu["index"]), str(gpu["uuid"]), str(gpu["name"]), str(gpu["pci_bus_id"]), int(gpu["memory_mib"]))
    return OfferedGpu(known, int(gpu["free_mib"]), int(gpu["leases"]))


def warn_of_other_versions(offers: Iterable[Offer]) -> None:
    """Say once for each other version that client and server differ; what cannot work is refused when it is tried."""
    for offer in offers:
        if offer.version != __version__:
            log.warn_once(
                f"This client is version {__version__}, server {offer.server} is {offer.version}; install the same version on both"
            )


def ask_all(managers: Mapping[Server, Manager], ask: Callable[[Manager], T]) -> dict[Server, T | BitfusionError]:
    """Ask every server at the same time; an answer or the error for each, in the same order."""

    def one(manager: Manager) -> T | BitfusionError:
        try:
            return ask(manager)
        except BitfusionError as error:
            return error

    if len(managers) == 1:
        return {server: one(manager) for server, manager in managers.items()}
    # Costs 15 ms to import, and only a pool of servers needs it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(managers), _PARALLEL)) as pool:
        return dict(zip(managers, pool.map(one, managers.values())))


def no_server_answered(errors: dict[Server, BitfusionError]) -> BitfusionError:
    """One error for a pool in which nobody answered: the class and advice of the first, the reasons of all."""
    first = next(iter(errors.values()))
    if not isinstance(first, ManagerUnreachable):
        return first
    lines: list[str] = []
    for server, error in errors.items():
        lines += [f"Error querying server {server}:", error.detail]
    lines.append(f"Unable to contact any of the existing servers: {' '.join(map(str, errors))}")
    return type(first)("\n".join(lines), hint=first.advice)
