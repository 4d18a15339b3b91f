"""The image's directory, built if need be, and appliances that boot from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bitfusion_appliance.builder import programs
from tests.appliance.system.container import Container
from tools.layout import BUILD, ROOT

IMAGE = BUILD / "appliance" / "root"
Boots = Callable[[int], Container]


@pytest.fixture(scope="session")
def image() -> Path:
    """What `./dev ova` makes the disk of; it is built in minutes where it is missing."""
    if os.geteuid():
        pytest.fail("a system is built and booted as root; run the slow tests as root")
    programs.ensure(programs.BUILD, programs.BOOT)
    if not (IMAGE / "etc/bitfusion-release").exists():
        subprocess.run([sys.executable, "-m", "tools.ova", "--root-only"], check=True, cwd=ROOT)
    return IMAGE


@pytest.fixture
def appliance(image: Path, tmp_path: Path) -> Iterator[Boots]:
    """Makes an appliance with so many adapters."""
    with ExitStack() as undo:
        yield lambda adapters=1: undo.enter_context(Container(image, tmp_path / f"machine{adapters}", adapters).prepared())
