"""request_gpus, client and release_gpus: one reservation, several applications."""

from __future__ import annotations

import pytest

from tests.cuda_builder import Builder
from tests.demo import Demo

pytestmark = pytest.mark.gpu


def test_several_applications_in_one_reservation(program: Builder, demo: Demo) -> None:
    """Bare `client` and `release_gpus` take the newest reservation of the user."""
    reserved = demo.bitfusion("request_gpus", "-n", "1", "-m", "1000")
    assert reserved.returncode == 0, reserved.stderr
    try:
        for _ in range(2):
            done = demo.bitfusion("client", "--", str(program("allocate")))
            assert done.stdout.startswith("total 1000 "), done.stderr
        assert len(demo.leases()) == 1
    finally:
        released = demo.bitfusion("release_gpus")

    assert released.returncode == 0, released.stderr
    assert not demo.leases()
