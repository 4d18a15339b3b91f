"""From a request to GPUs and back: what `run` and `request_gpus` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bitfusion_client import allocation, config, identity, lease, log
from bitfusion_client.config import Server
from bitfusion_client.http import Manager
from bitfusion_client.identity import Identity
from bitfusion_client.inventory import Offer, ask_all, no_server_answered, parse_offer, warn_of_other_versions
from bitfusion_client.lease import Grant
from bitfusion_client.selection import rank
from bitfusion_client.stream import LineStream
from bitfusion_core.errors import BitfusionError, ManagerUnreachable, NoCapacity, ServerUnavailable, WaitTimedOut
from bitfusion_core.models import LeaseRequest
from bitfusion_core.units import format_fraction


class Session(NamedTuple):
    """GPUs that are ours, and the file that says so."""

    grant: Grant
    manager: Manager
    stream: LineStream
    file: Path
    client_id: str


def open_session(request: LeaseRequest, servers: Sequence[Server]) -> Session:
    """Claim the client id, choose a server, wait for its GPUs and write the allocation file."""
    known = identity.load()
    managers = {server: Manager(server, known) for server in servers}
    try:
        known = claim_client_id(managers, known)
        offers = _query(managers)
        log.info(f"Choosing GPUs from server list [{' '.join(str(offer.server) for offer in offers)}]")
        manager, grant, stream = _acquire(request, rank(request, offers), managers, str(known.client_id))
        try:
            file = _announce(grant, list(servers).index(manager.server))
        except BaseException:
            stream.close()
            _give_back(manager, grant)
            raise
    finally:
        for manager in managers.values():
            manager.close()
    return Session(grant, manager, stream, file, str(known.client_id))


def claim_client_id(managers: dict[Server, Manager], known: Identity) -> Identity:
    """Have the id confirmed, or claim one, at the first server that answers; those that do not are taken off the list."""
    first_error = None
    for server, manager in list(managers.items()):
        try:
            answer = manager.request("POST", "/claim_id", _claim(known))
            client_id = answer.get("client_id") if isinstance(answer, dict) else None
            if not identity.valid_client_id(client_id):
                raise ManagerUnreachable(f"{server} answered without a client id")
        except ManagerUnreachable as error:
            log.warn(f"Error contacting server {server} to verify client id: {error.detail}")
            first_error = first_error or error
            managers.pop(server).close()
            continue
        log.info(f"Query server {server} to claim client id: {client_id}")
        return known if client_id == known.client_id else identity.keep_client_id(known, str(client_id))
    kind = type(first_error) if first_error is not None else ManagerUnreachable
    advice = first_error.advice if first_error is not None else None
    raise kind("none of the servers responded correctly to client id claim requests.", hint=advice)


def _claim(known: Identity) -> dict[str, str]:
    body = {"hostname": lease.host_name(), "user": identity.user_name()}
    return {"client_id": known.client_id, **body} if known.client_id else body


def _query(managers: dict[Server, Manager]) -> list[Offer]:
    for server in managers:
        log.info(f"Query server {server} gpu availability")
    answers = ask_all(managers, lambda manager: parse_offer(manager.server, manager.request("GET", "/query")))
    errors = {server: answer for server, answer in answers.items() if isinstance(answer, BitfusionError)}
    offers = [answer for answer in answers.values() if isinstance(answer, Offer)]
    if not offers:
        raise no_server_answered(errors)
    for server, error in errors.items():
        log.warn(f"Error querying server {server}: {error.detail}")
    warn_of_other_versions(offers)
    config.keep_reachable({server: manager.reached for server, manager in managers.items()})
    return offers


def _acquire(
    request: LeaseRequest, ranked: Sequence[Offer], managers: dict[Server, Manager], client_id: str
) -> tuple[Manager, Grant, LineStream]:
    """Ask in order of preference; the next server is asked only when one has changed its mind since the query."""
    offer, *others = ranked
    try:
        manager = managers[offer.server]
        return (manager, *lease.acquire(manager, request, client_id))
    except WaitTimedOut:
        raise
    except (ManagerUnreachable, ServerUnavailable, NoCapacity) as error:
        if not others:
            raise
        log.warn(f"Server {offer.server} gave no GPUs: {error.detail}")
    return _acquire(request, others, managers, client_id)


def _announce(grant: Grant, position: int) -> Path:
    """Log the grant as users know it, and write the allocation file."""
    indices = " ".join(str(gpu.number) for gpu in grant.gpus)
    log.info(f"Requesting GPUs [{indices}] with {grant.memory_mib} MiB of memory from server {position}, with version {grant.version}")
    log.plain("Requested resources:")
    log.plain(f"Server List: {grant.server}")
    log.plain(f"Client idle timeout: {grant.idle_timeout_min} min")
    file = allocation.create(grant)
    partial = format_fraction(round(grant.fraction, 4))
    log.info(f"Locked {len(grant.gpus)} GPUs with partial memory {partial}, configuration saved to '{file}'")
    return file


def keep_session(session: Session) -> None:
    """From now on the GPUs are ours until they are released, without a connection."""
    session.stream.close()
    try:
        lease.keep(session.manager, session.grant.id)
    except BaseException:
        close_session(session)
        raise
    session.manager.close()


def close_session(session: Session) -> None:
    """Give the GPUs back and remove the file."""
    log.info(f"Releasing GPUs from config file '{session.file}'...")
    try:
        _give_back(session.manager, session.grant)
    finally:
        # Closing the control connection ends the lease even if the request above did not get through.
        session.stream.close()
        allocation.remove(session.file)
    log.info(f"Released GPUs on 1 servers and removed generated config file '{session.file}'")


def _give_back(manager: Manager, grant: Grant) -> None:
    try:
        lease.release(manager, grant.id)
    except BitfusionError as error:
        log.warn(f"Cannot tell server {grant.server} that the GPUs are free: {error.detail}; it finds out by itself")
    finally:
        manager.close()
