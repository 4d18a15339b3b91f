"""The log."""

from __future__ import annotations

import json

import pytest
import structlog

from bitfusion_server import log


@pytest.fixture(autouse=True)
def _restore() -> object:
    """Leave the library as it was."""
    yield
    structlog.reset_defaults()


def test_lines_are_json_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """A field that by its name holds a secret is blanked; control characters cannot forge a line."""
    log.configure()

    structlog.get_logger("fresh").info("granted", key="canary-1", token="canary-2", user='ann"\n{"event": "forged"}')

    (line,) = capsys.readouterr().err.splitlines()
    written = json.loads(line)
    assert (written["event"], written["key"], written["token"]) == ("granted", "***", "***")
    assert "canary" not in line
