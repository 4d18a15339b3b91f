"""Fixtures of the appliance's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.appliance.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has never been booted."""
    (tmp_path / "etc/ssh").mkdir(parents=True)
    return Machine(tmp_path)
