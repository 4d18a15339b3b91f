"""ctrl-C, SIGTERM and SIGHUP until the application runs: they cancel, and nothing is left behind.

While we wait they raise `Cancelled` wherever we are. From the grant of GPUs on, until they are in the hands of somebody who gives them
back, they are held back and asked for with `check`.
"""

from __future__ import annotations

import signal

from bitfusion_client.errors import Cancelled

_SIGNALS = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def enable() -> None:
    """Make the signals raise `Cancelled`, except those that whoever started us wants ignored."""

    def cancel(signum: int, _frame: object) -> None:
        raise Cancelled(signum)

    for signum in _SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, cancel)


def hold_back() -> None:
    """From here on the signals only become pending."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def check() -> None:
    """Raise `Cancelled` if a signal was held back."""
    for signum in _SIGNALS & signal.sigpending():
        raise Cancelled(signum)


def released(mask: set[signal.Signals | int]) -> set[signal.Signals | int]:
    """The signal mask for the application: `mask` without what we have held back."""
    return mask - _SIGNALS
