from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_client.config import Server
from bitfusion_client.inventory import Offer, OfferedGpu
from bitfusion_client.selection import rank
from bitfusion_core.errors import NeverFits, NotAccepting
from bitfusion_core.models import Gpu, LeaseRequest, ServerFacts


def offer(number: int, *gpus: tuple[int, int, int], accepting: bool = True, tasks: int = 0, name: str = "Tesla T4") -> Offer:
    """A server whose GPUs are (memory, free, leases)."""
    facts = ServerFacts(f"10.0.0.{number}", f"gpu-{number}", "580.65", "13.0")
    have = tuple(OfferedGpu(Gpu(i, f"GPU-{i}", name, "0", memory), free, leases) for i, (memory, free, leases) in enumerate(gpus))
    return Offer(Server(f"10.0.0.{number}"), facts, "0.1.0", accepting, tasks, have)


def order(request: LeaseRequest, *offers: Offer) -> list[str]:
    """The hosts in order of preference."""
    return [one.server.host for one in rank(request, offers)]


FREE, HALF, FULL = (16000, 16000, 0), (16000, 8000, 1), (16000, 0, 1)


def test_a_server_with_room_comes_first() -> None:
    """Waiting is the last resort, at the server with the fewest tasks."""
    request = LeaseRequest(1)

    assert order(request, offer(1, FULL, tasks=5), offer(2, FULL, tasks=1), offer(3, FREE)) == ["10.0.0.3", "10.0.0.2", "10.0.0.1"]


def test_partitions_go_where_least_is_free() -> None:
    """Small requests fill started servers, so that whole GPUs stay whole."""
    assert order(LeaseRequest(1, fraction=0.5), offer(1, FREE), offer(2, HALF)) == ["10.0.0.2", "10.0.0.1"]
    assert order(LeaseRequest(1), offer(1, FREE), offer(2, HALF)) == ["10.0.0.1", "10.0.0.2"]


def test_fraction_is_of_the_smallest_gpu() -> None:
    """Half of 8000 MiB fits into 4000 MiB of a larger GPU."""
    small, large = (8000, 4000, 1), (16000, 4000, 1)

    assert order(LeaseRequest(2, fraction=0.5), offer(1, FULL, FULL), offer(2, small, large))[0] == "10.0.0.2"


@pytest.mark.parametrize(
    "request_, words",
    [
        (LeaseRequest(3), "no server has more than 2 at all"),
        (LeaseRequest(1, memory_mib=16001), "the largest GPU has 16000 MiB"),
        (LeaseRequest(1, filters={"device.name": ("A100",)}), "no server has more than 0 that pass the filters"),
    ],
)
def test_what_can_never_fit(request_: LeaseRequest, words: str) -> None:
    """It is refused at once, with the reason."""
    with pytest.raises(NeverFits, match=words):
        rank(request_, [offer(1, FREE, FREE), offer(2, FREE)])


def test_drained_servers() -> None:
    """They are passed over; when they are all there is, that is the reason."""
    assert order(LeaseRequest(1), offer(1, FREE, accepting=False), offer(2, FULL)) == ["10.0.0.2"]
    with pytest.raises(NotAccepting, match=r"10\.0\.0\.1:56001"):
        rank(LeaseRequest(1), [offer(1, FREE, accepting=False)])


GPUS = st.integers(1, 80000).flatmap(lambda memory: st.tuples(st.just(memory), st.integers(0, memory), st.integers(0, 3)))
OFFERS = st.lists(GPUS, max_size=4).map(tuple)
REQUESTS = st.builds(LeaseRequest, st.integers(1, 4), fraction=st.none() | st.floats(0.01, 1)) | st.builds(
    LeaseRequest, st.integers(1, 4), memory_mib=st.integers(1, 90000)
)


@given(REQUESTS, st.lists(OFFERS, max_size=4))
def test_any_request_is_ranked_or_refused(request_: LeaseRequest, servers: list[tuple[tuple[int, int, int], ...]]) -> None:
    """Only servers with enough GPUs are ranked, each once; nothing but the two refusals is raised."""
    offers = [offer(number, *gpus) for number, gpus in enumerate(servers)]
    try:
        ranked = rank(request_, offers)
    except NeverFits:
        return
    assert len({one.server for one in ranked}) == len(ranked)
    assert all(len(one.gpus) >= request_.gpus for one in ranked)
