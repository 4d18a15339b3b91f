"""Fixtures for tests of PTX execution."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native.ptx import harness


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel cache of this test run's own."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="session")
def compiler(kernel_cache: Path) -> None:
    """The compiler process and cache for the whole run; skips if the library was not built."""
    if not harness.LIBRARY.exists():
        pytest.fail(f"{harness.LIBRARY} is not built: run './dev build simgpu_exec_test'")
    patch = pytest.MonkeyPatch()
    patch.setenv("SIMGPU_COMPILER", harness.compiler_command())
    patch.setenv("SIMGPU_CACHE", str(kernel_cache))


@pytest.fixture
def gpu(compiler: None) -> harness.Gpu:
    """An empty arena."""
    return harness.Gpu()
