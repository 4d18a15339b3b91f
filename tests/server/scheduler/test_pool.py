"""Many servers."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from bitfusion_core.models import LeaseRequest
from bitfusion_server.scheduler.placement import UNLIMITED, Inventory, Never, Placement, impossible, place, within
from bitfusion_server.scheduler.pool import Pool
from tests.server.scheduler.strategies import clusters, requests, server_of

_allowances = st.sampled_from([UNLIMITED, UNLIMITED, 2.0, 1.0, 0.5])


def placed(pool: Pool, request: LeaseRequest) -> Placement:
    """Place a request that fits, and book it."""
    placement = pool.place(request)
    assert placement is not None
    pool.charge(placement.server_id, placement.gpus)
    return placement


def test_a_broken_up_server_comes_first() -> None:
    """Partitions gather on one server, whole GPUs on the server that has just enough, so that an empty server stays whole."""
    pool = Pool([server_of(16000, 16000, server_id="s0"), server_of(16000, 16000, server_id="s1"), server_of(16000, 16000, server_id="s2")])

    first = placed(pool, LeaseRequest(1, fraction=0.25))

    assert placed(pool, LeaseRequest(1, fraction=0.25)).gpus[0].uuid == first.gpus[0].uuid
    assert placed(pool, LeaseRequest(1)).server_id == first.server_id
    assert placed(pool, LeaseRequest(2)).server_id != first.server_id
    assert placed(pool, LeaseRequest(2)).server_id != first.server_id
    assert pool.place(LeaseRequest(1)) is None


def test_drained_server() -> None:
    """Nothing new starts on a server that takes no new applications; what it has is known all the same, and it is not impossible there."""
    pool = Pool([server_of(16000)])
    pool.put(dataclasses.replace(pool.server("s0"), accepting=False))

    assert pool.place(LeaseRequest(1)) is None
    assert pool.impossible(LeaseRequest(1)) is None
    assert pool.shortage(LeaseRequest(1)) == "no server takes new applications now"

    pool.put(dataclasses.replace(pool.server("s0"), accepting=True))
    assert pool.place(LeaseRequest(1)) is not None


def test_held_gpus_are_invisible() -> None:
    """A hold keeps others away until it is dropped."""
    pool = Pool([server_of(16000, 16000)])
    kept = pool.reserve(LeaseRequest(2))
    assert kept is not None
    pool.hold("head", kept)

    assert pool.place(LeaseRequest(1)) is None
    assert all(state.untouched for state in pool.server("s0").gpus)

    pool.drop("head")
    assert pool.place(LeaseRequest(1)) is not None


def test_never_names_the_cluster() -> None:
    """What no server can give is said with the reason of the largest."""
    pool = Pool([server_of(16000, server_id="s0"), server_of(16000, 16000, server_id="s1")])

    assert pool.impossible(LeaseRequest(3)) == Never("none of the 2 servers can serve it: 3 GPUs requested, the server has 2")


@settings(max_examples=100)
@given(clusters, st.lists(st.tuples(requests, _allowances, st.booleans()), max_size=40))
def test_the_index_finds_what_a_search_of_all_would(servers: list[Inventory], steps: list[tuple[LeaseRequest, float, bool]]) -> None:
    """A request is placed exactly when some server has room for it within the allowance, also after others have left."""
    pool = Pool(servers)
    running: list[Placement] = []
    for request, allowance, leave in steps:
        if leave and running:
            gone = running.pop(len(running) // 2)
            pool.release(gone.server_id, gone.gpus)
        fits = [isinstance(place(request, pool.server(server.server_id), allowance), Placement) for server in servers]
        placement = pool.place(request, allowance)
        assert any(fits) == (placement is not None)
        if placement is not None:
            assert within(placement.gpu_share, allowance)
            pool.charge(placement.server_id, placement.gpus)
            running.append(placement)
            _check(pool, servers, request, placement)


def _check(pool: Pool, servers: list[Inventory], request: LeaseRequest, placement: Placement) -> None:
    """One server, distinct GPUs, equal memory, nothing over-committed."""
    names = {state.gpu.uuid for state in pool.server(placement.server_id).gpus}
    assert {share.uuid for share in placement.gpus} <= names
    assert len({share.uuid for share in placement.gpus}) == request.gpus
    assert {share.memory_mib for share in placement.gpus} == {placement.memory_mib}
    for server in servers:
        assert all(0 <= state.used_mib <= state.gpu.memory_mib for state in pool.server(server.server_id).gpus)


@settings(max_examples=100)
@given(clusters, requests)
def test_impossible_is_impossible_everywhere(servers: list[Inventory], request: LeaseRequest) -> None:
    """Never is said exactly when each server, empty, says never; and the least share is what the cheapest empty server would count."""
    pool = Pool(servers)

    never = pool.impossible(request)

    assert (never is not None) == all(impossible(request, server) is not None for server in servers)
    if never is None:
        placement = pool.place(request)
        assert placement is not None
        assert within(pool.least_share(request), placement.gpu_share)
