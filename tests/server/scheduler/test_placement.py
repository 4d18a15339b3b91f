"""Which GPUs a request gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_core.models import LeaseRequest
from bitfusion_server.scheduler.placement import Inventory, Never, Placement, Wait, place
from tests.server.scheduler.strategies import inventories, requests, server_of


def placed(request: LeaseRequest, inventory: Inventory) -> Placement:
    """The placement of a request that fits."""
    decision = place(request, inventory)
    assert isinstance(decision, Placement), decision
    return decision


def indexes(placement: Placement) -> list[int]:
    """Which GPUs it got."""
    return [share.index for share in placement.gpus]


def test_whole_gpu() -> None:
    """Nothing said about memory: the GPU is given alone."""
    server = server_of(16160, 16160)

    first = placed(LeaseRequest(1), server)

    assert (first.memory_mib, first.fraction) == (16160, 1.0)
    assert isinstance(place(LeaseRequest(2), server.charged(first.gpus)), Wait)


def test_half_a_gpu_as_in_the_guide() -> None:
    """Half of a 16160 MiB GPU is 8080 MiB, two halves fit on one GPU and a third waits."""
    server = server_of(16160)

    first = placed(LeaseRequest(1, fraction=0.5), server)
    second = placed(LeaseRequest(1, fraction=0.5), server.charged(first.gpus))

    assert first.memory_mib == 8080
    full = server.charged(first.gpus).charged(second.gpus)
    assert Wait("1 GPU with 0.5 of the memory free needed, 0 available") == place(LeaseRequest(1, fraction=0.5), full)


def test_two_halves_fit_beside_the_drivers_context() -> None:
    """The reserve is taken out of a fraction, and added to a request in MB."""
    server = server_of(16000, reserve_mib=500)

    half = placed(LeaseRequest(1, fraction=0.5), server)
    megabytes = placed(LeaseRequest(1, memory_mib=7500), server.charged(half.gpus))

    assert (half.memory_mib, half.gpus[0].charge_mib) == (7500, 8000)
    assert (megabytes.memory_mib, megabytes.gpus[0].charge_mib) == (7500, 8000)


def test_partitions_gather_on_used_gpus() -> None:
    """A partition goes where one is already, so that a whole GPU stays free."""
    server = server_of(16000, 16000)
    first = placed(LeaseRequest(1, memory_mib=4000), server)

    second = placed(LeaseRequest(1, memory_mib=4000), server.charged(first.gpus))

    assert indexes(first) == indexes(second)


def test_best_fit() -> None:
    """Among used GPUs the one with the least room left is taken."""
    server = server_of(16000, 16000)
    server = server.charged(placed(LeaseRequest(1, memory_mib=9000, filters={"device.id": ("0",)}), server).gpus)
    server = server.charged(placed(LeaseRequest(1, memory_mib=12000, filters={"device.id": ("1",)}), server).gpus)

    assert indexes(placed(LeaseRequest(1, memory_mib=4000), server)) == [1]
    assert indexes(placed(LeaseRequest(1, memory_mib=5000), server)) == [0]


def test_fraction_is_of_the_smallest_gpu() -> None:
    """Each GPU gives the same amount, measured by the smallest of them."""
    both = placed(LeaseRequest(2, fraction=0.5), server_of(24000, 16000))

    assert both.memory_mib == 8000
    assert [share.charge_mib for share in both.gpus] == [8000, 8000]


@pytest.mark.parametrize(
    "request_, reason",
    [
        (LeaseRequest(3), "3 GPUs requested, the server has 2"),
        (LeaseRequest(1, filters={"device.name": ("A100",)}), "1 GPU requested, 0 of the server's 2 match the filters"),
        (LeaseRequest(1, memory_mib=16001), "1 GPU requested with 16001 MiB each, the server can give 16000 MiB"),
        (LeaseRequest(1, fraction=0.00001), "a fraction of 1e-05 of 16000 MiB leaves no memory for the application"),
    ],
)
def test_never(request_: LeaseRequest, reason: str) -> None:
    """What cannot fit even into the empty server is said at once, with the reason."""
    assert Never(reason) == place(request_, server_of(16000, 16000))


@given(inventories, st.lists(requests, max_size=40))
def test_never_over_commits(server: Inventory, wanted: list[LeaseRequest]) -> None:
    """Whatever is asked in whatever order, no GPU gives more than it has, and a whole GPU has one user."""
    whole: set[str] = set()
    for request in wanted:
        decision = place(request, server)
        if isinstance(decision, Placement):
            uuids = {share.uuid for share in decision.gpus}
            assert request.gpus == len(uuids)
            assert len({share.memory_mib for share in decision.gpus}) == 1
            assert not uuids & whole
            whole |= uuids if request.whole else set()
            server = server.charged(decision.gpus)
        assert all(state.used_mib <= state.gpu.memory_mib for state in server.gpus)


@given(inventories, requests)
def test_empty_server_never_says_wait(server: Inventory, request: LeaseRequest) -> None:
    """On an idle server a request starts or is refused for good."""
    assert not isinstance(place(request, server), Wait)


@given(inventories, st.lists(requests, max_size=20), requests)
def test_waiting_is_not_in_vain(server: Inventory, others: list[LeaseRequest], request: LeaseRequest) -> None:
    """Who is told to wait fits once everybody has left; who is told never does not."""
    busy = server
    for other in others:
        decision = place(other, busy)
        busy = busy.charged(decision.gpus) if isinstance(decision, Placement) else busy

    answer = place(request, busy)

    assert isinstance(answer, Never) == isinstance(place(request, server), Never)
