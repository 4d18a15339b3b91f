"""The C++ tests of wire, transport and worker, as ctest runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = Path(os.environ.get("BITFUSION_BUILD", REPOSITORY / "build")) / "tests"
WITHIN_S = 120


@pytest.mark.parametrize("name", ["frames", "hello", "link"])
def test_native(name: str) -> None:
    """Each executable is one group of cases; it says which failed and where."""
    program = TESTS / f"test_{name}"
    if not program.exists():
        pytest.fail(f"{program} is not built: ./dev build")
    environment = {**os.environ, "BITFUSION_FAKE_DRIVER": str(TESTS / "libbitfusion_fake_driver.so")}
    vectors = REPOSITORY / "tests/native/hello_vectors.json"
    result = subprocess.run([program, vectors], env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert result.returncode == 0, result.stderr
