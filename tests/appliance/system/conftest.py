"""Directories with the appliance's system, built if need be, and appliances that boot from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bitfusion_appliance.builder import __main__ as builder
from bitfusion_appliance.builder import programs
from bitfusion_appliance.builder.disk import BuildError
from tests.appliance.system import tree
from tests.appliance.system.container import Container
from tools.layout import BUILD

IMAGE = BUILD / "appliance" / "root"
Boots = Callable[[int], Container]


@pytest.fixture(scope="session")
def image() -> Path:
    """What `./dev ova` makes the disk of; it is built in minutes where it is missing."""
    if os.geteuid():
        pytest.fail("a system is built and booted as root; run the slow tests as root")
    programs.ensure(programs.BUILD, programs.BOOT)
    if not (IMAGE / "etc/bitfusion-release").exists():
        assert builder.main(["--build", str(BUILD), "--root-only"]) == 0
    return IMAGE


def build_ova(dist: Path) -> Path:
    """The whole build, but for the base system, which is kept."""
    assert builder.main(["--build", str(BUILD), "--dist", str(dist)]) == 0
    (found,) = dist.glob("*.ova")
    return found


@pytest.fixture(scope="session")
def ova(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished appliance of this checkout."""
    if os.geteuid():
        pytest.fail("a system is built as root; run the slow tests as root")
    return build_ova(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session", params=["container", pytest.param("image", marks=pytest.mark.slow)])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is booted: the system as it is made for containers, and in the second tier the one of the image."""
    if request.param == "image":
        return Path(request.getfixturevalue("image"))
    if obstacle := tree.obstacle(tmp_path_factory.mktemp("probe")):
        pytest.skip(obstacle)
    try:
        tar = tree.base_system()
    except BuildError as error:
        pytest.skip(f"no base system can be had here: {error}")
    made = tree.made(tar)
    if refusal := tree.refusal(made):
        pytest.skip(refusal)
    return made


@pytest.fixture
def appliance(system: Path, tmp_path: Path) -> Iterator[Boots]:
    """Makes an appliance with so many adapters."""
    with ExitStack() as undo:
        yield lambda adapters=1: undo.enter_context(Container(system, tmp_path / f"machine{adapters}", adapters).prepared())
