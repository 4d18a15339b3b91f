"""The conformance suite: each group of driver calls, on the simulated driver itself and through the product, with the same answers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from native.codegen.tested import groups
from tests.native.rig import Rig, rig
from tests.native.test_remoting import gpu
from tools.layout import BUILD, LIB
from tools.server import Gpus

PROGRAM = BUILD / "tests" / "bitfusion_conformance"
__all__ = ["gpu"]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A dispatcher whose workers use one simulated GPU."""
    environment = {**os.environ, **Gpus(1).environment(tmp_path_factory.mktemp("gpus")), "LD_LIBRARY_PATH": str(LIB / "simgpu")}
    with rig(tmp_path_factory.mktemp("rig"), environment, LIB / "simgpu" / "libcuda.so.1") as started:
        yield started


@pytest.fixture(scope="module")
def remoted(remote: Rig, gpu: str) -> dict[str, str]:
    """The environment of a program on a session of its own."""
    return remote.remoted(remote.admit([gpu]))


def transcript(group: str, environment: dict[str, str]) -> str:
    """What a group prints."""
    done = subprocess.run([PROGRAM, group], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), f"{group}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("group", groups())
def test_group(group: str, remote: Rig, remoted: dict[str, str]) -> None:
    """Every answer is the documented one, and the same through the product as on the driver itself."""
    native = transcript(group, remote.native())
    assert [line for line in native.splitlines() if "WRONG" in line] == []
    assert transcript(group, remoted) == native
