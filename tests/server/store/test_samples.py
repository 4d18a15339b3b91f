"""What every engine promises of the time series."""

from __future__ import annotations

from bitfusion_core.metrics import WINDOWS, Sample, Subject
from bitfusion_server.store.base import Store
from bitfusion_server.store.samples import Point

SHORT, HOUR = WINDOWS[0], WINDOWS[1]


def point(subject: str, at: float, value: float = 1.0, kind: Subject = Subject.SERVER) -> Point:
    """One figure of a subject."""
    return Point(kind, subject, Sample(at, {"server_leases": {"": value}}))


async def test_read_by_time(store: Store) -> None:
    """A subject's samples come back in order, from the first moment up to but without the last, across buckets."""
    await store.samples.put(SHORT, [point("s1", at, at) for at in (900.0, 5.0, 305.0, 299.0, 610.0)])
    await store.samples.put(SHORT, [point("s2", 300.0), point("s1", 300.0, kind=Subject.CLIENT)])
    await store.samples.put(HOUR, [point("s1", 300.0)])

    found = await store.samples.read(SHORT, Subject.SERVER, "s1", 5.0, 610.0)

    assert [sample.at for sample in found] == [5.0, 299.0, 305.0]
    assert found[0] == Sample(5.0, {"server_leases": {"": 5.0}})


async def test_read_all_subjects(store: Store) -> None:
    """All subjects of a kind at once, in the order of time."""
    await store.samples.put(SHORT, [point("s2", 20.0), point("s1", 20.0), point("s1", 10.0), point("c", 15.0, kind=Subject.CLIENT)])

    found = await store.samples.read_all(SHORT, Subject.SERVER, 0.0, 100.0)

    assert [(one.subject, one.sample.at) for one in found] == [("s1", 10.0), ("s1", 20.0), ("s2", 20.0)]
    assert all(one.kind is Subject.SERVER for one in found)
    assert await store.samples.newest(SHORT, Subject.SERVER) == 20.0
    assert await store.samples.oldest(SHORT, Subject.SERVER) == 10.0
    assert await store.samples.newest(HOUR, Subject.SERVER) is None


async def test_writing_again_replaces(store: Store) -> None:
    """A roll-up that is done twice, after a crash, leaves one sample."""
    await store.samples.put(HOUR, [point("s1", 30.0, 1.0)])
    await store.samples.put(HOUR, [point("s1", 30.0, 2.0)])

    (found,) = await store.samples.read(HOUR, Subject.SERVER, "s1", 0.0, 100.0)
    assert found.values == {"server_leases": {"": 2.0}}


async def test_pages_of_subjects(store: Store) -> None:
    """Names come in order, each once, page by page."""
    await store.samples.put(SHORT, [point(f"s{number}", float(at)) for number in range(5) for at in range(3)])

    assert await store.samples.subjects(SHORT, Subject.SERVER, "", 2) == ("s0", "s1")
    assert await store.samples.subjects(SHORT, Subject.SERVER, "s1", 10) == ("s2", "s3", "s4")
    assert await store.samples.subjects(SHORT, Subject.SERVER, "s4", 10) == ()
    assert await store.samples.subjects(SHORT, Subject.CLIENT, "", 10) == ()


async def test_expiry(store: Store) -> None:
    """What is older than a moment is gone from that window only."""
    await store.samples.put(SHORT, [point(f"s{number}", float(number)) for number in range(4500)])
    await store.samples.put(HOUR, [point("s1", 1.0)])

    assert await store.samples.expire(SHORT, 4400.0) == 4400

    assert await store.samples.oldest(SHORT, Subject.SERVER) == 4400.0
    assert await store.samples.oldest(HOUR, Subject.SERVER) == 1.0
