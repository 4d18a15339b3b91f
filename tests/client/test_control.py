"""The control connection when the manager is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from bitfusion_client.control import RETRY_S, SILENCE_S, ControlLink
from bitfusion_client.http import ServiceDown
from bitfusion_client.stream import LineStream, StreamError
from bitfusion_core.errors import BitfusionError, ManagerUnreachable, NotFound
from tests.client.conftest import eventually

WITHIN_S = 5


class Stream:
    """A control connection; a broken one says so when it is read."""

    def __init__(self, broken: bool = False) -> None:
        self.ended = False
        self.closed = threading.Event()
        self._broken = broken

    def fileno(self) -> int:
        return 0

    def read(self) -> list[dict[str, Any]]:
        if self._broken:
            raise StreamError("broken")
        return []

    def close(self) -> None:
        self.closed.set()


class Manager:
    """Answers the client that comes back when it is let, with a stream or an error."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.answer: Stream | BitfusionError = Stream()

    def reopen(self) -> LineStream:
        self.asked.release()
        assert self.go_on.wait(WITHIN_S), "the launcher waits for the manager"
        if isinstance(self.answer, BitfusionError):
            raise self.answer
        return cast("LineStream", self.answer)


@pytest.fixture
def manager() -> Iterator[Manager]:
    """A manager that keeps the client waiting."""
    made = Manager()
    yield made
    made.go_on.set()


def broken_link(manager: Manager) -> ControlLink:
    """A link whose connection has broken, at time 0."""
    link = ControlLink(cast("LineStream", Stream(broken=True)), manager.reopen, 0.0)
    assert link.poll(0.0) is None
    assert link.fileno() is None
    return link


def answered(link: ControlLink, now: float) -> Callable[[], bool]:
    """Whether the link has its connection again."""
    return lambda: link.poll(now) is None and link.fileno() is not None


def test_coming_back_keeps_nobody_waiting(manager: Manager) -> None:
    """While a connection is being made the launcher goes on; when it is there it is used."""
    link = broken_link(manager)

    assert link.poll(0.1) is None
    assert manager.asked.acquire(timeout=WITHIN_S)
    assert link.poll(0.2) is None
    assert link.fileno() is None

    manager.go_on.set()
    eventually(answered(link, 0.3), "the new connection")
    assert not manager.asked.acquire(blocking=False), "one attempt at a time"
    link.close()


def test_connection_that_comes_too_late_is_closed(manager: Manager) -> None:
    """Who has closed the link holds no lease by an attempt that was under way."""
    link = broken_link(manager)
    assert link.poll(0.1) is None
    assert manager.asked.acquire(timeout=WITHIN_S)

    link.close()
    manager.go_on.set()

    assert isinstance(manager.answer, Stream)
    assert manager.answer.closed.wait(WITHIN_S)


def poll_until_decided(link: ControlLink, manager: Manager, now: float) -> str | None:
    """What the link says about one more attempt; that another one begins shows that it goes on."""
    link.poll(now)
    assert manager.asked.acquire(timeout=WITHIN_S)
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        reason = link.poll(now + RETRY_S)
        if reason is not None or manager.asked.acquire(timeout=0.01):
            return reason
    raise AssertionError(f"no decision within {WITHIN_S} s")


def test_manager_that_is_down_is_waited_for(manager: Manager) -> None:
    """A refused connection takes nothing away, however long."""
    manager.answer = ServiceDown("refused")
    manager.go_on.set()

    assert poll_until_decided(broken_link(manager), manager, 10 * SILENCE_S) is None


def test_network_that_is_gone_ends_the_lease(manager: Manager) -> None:
    """Silence is waited out as long as the server does it too, then the application is told."""
    manager.answer = ManagerUnreachable("no route")
    manager.go_on.set()

    assert poll_until_decided(broken_link(manager), manager, 1.0) is None
    assert "no contact with the server" in str(poll_until_decided(broken_link(manager), manager, 2 * SILENCE_S))


def test_lease_that_is_gone_is_told(manager: Manager) -> None:
    """What a manager answers about the lease counts at once."""
    manager.answer = NotFound("there is no such lease")
    manager.go_on.set()

    assert poll_until_decided(broken_link(manager), manager, 1.0) == "there is no such lease"
