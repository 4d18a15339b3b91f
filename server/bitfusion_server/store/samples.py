"""The interface of the time series: samples go in together, and come out by subject and time.

It asks for no more than a store of wide rows can do: a partition is (window, kind, subject, bucket), ordered by time, and expires as a whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from bitfusion_core.metrics import Sample, Subject, Window


@dataclass(frozen=True)
class Point:
    """A sample and whose it is."""

    kind: Subject
    subject: str
    sample: Sample


class SampleStore(ABC):
    """Every write is durable when it returns; a sample written again replaces the one before."""

    @abstractmethod
    async def put(self, window: Window, points: Sequence[Point]) -> None:
        """Add samples to a window."""

    @abstractmethod
    async def read(self, window: Window, kind: Subject, subject: str, since: float, until: float) -> Sequence[Sample]:
        """One subject's samples from `since` up to but without `until`, in the order of time."""

    @abstractmethod
    async def read_all(self, window: Window, kind: Subject, since: float, until: float) -> Sequence[Point]:
        """The same of all subjects of a kind."""

    @abstractmethod
    async def newest(self, window: Window, kind: Subject) -> float | None:
        """Time of the newest sample of a kind."""

    @abstractmethod
    async def oldest(self, window: Window, kind: Subject) -> float | None:
        """Time of the oldest sample of a kind."""

    @abstractmethod
    async def subjects(self, window: Window, kind: Subject, after: str, limit: int) -> Sequence[str]:
        """A page of those that have samples, by name, after a name."""

    @abstractmethod
    async def expire(self, window: Window, before: float) -> int:
        """Forget samples from before a moment; how many. Nothing to do in a store whose rows expire by themselves."""
