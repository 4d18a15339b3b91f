"""Slows down guessing: after some failures a guesser (an address and what it guesses at) is refused for a while, right or wrong."""

from __future__ import annotations

from collections import OrderedDict, deque

_FAILURES = 20
_WINDOW_S = 60.0
_GUESSERS = 10_000


class FailureLimiter:
    """Counts failures within a sliding window; forgets the oldest guesser when it knows too many."""

    def __init__(self, failures: int = _FAILURES, window_s: float = _WINDOW_S, guessers: int = _GUESSERS) -> None:
        self._failures = failures
        self._window_s = window_s
        self._guessers = guessers
        self._by_guesser: OrderedDict[str, deque[float]] = OrderedDict()

    def retry_after_s(self, guesser: str, now: float) -> float:
        """0 if the guesser may try, else how long it has to wait."""
        times = self._by_guesser.get(guesser)
        if times is None or len(times) < self._failures:
            return 0.0
        return max(0.0, times[0] + self._window_s - now)

    def failed(self, guesser: str, now: float) -> None:
        """Note a failure."""
        times = self._by_guesser.setdefault(guesser, deque(maxlen=self._failures))
        times.append(now)
        self._by_guesser.move_to_end(guesser)
        if len(self._by_guesser) > self._guessers:
            self._by_guesser.popitem(last=False)

    def succeeded(self, guesser: str) -> None:
        """Forget the failures of one that was right in the end."""
        self._by_guesser.pop(guesser, None)
