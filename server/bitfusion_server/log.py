"""The manager's log: one JSON object a line on standard error, which the journal collects. Secrets never get in."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_FIELDS = frozenset({"authorization", "key", "password", "secret", "session_key", "token"})


def configure(level: str = "info") -> None:
    """Set up structlog, and send what libraries log through it."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(number, logging.WARNING), stream=sys.stderr, format='{"level": "%(levelname)s", "event": "%(name)s: %(message)r"}'
    )


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A second line of defence: no field that by its name holds a secret is written."""
    for name in _SECRET_FIELDS & event.keys():
        event[name] = "***"
    return event
