"""What every test shares: the simulated GPUs as an environment, and a running demo server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cuda_builder import Builder
from tests.demo import Demo
from tools import environment
from tools.layout import LIB
from tools.server import Gpus, temporary_server

# How long an example takes says something about the machine only, which others may use as well.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def simulated_gpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """Makes the environment of a program that runs straight on the simulated driver."""

    def environment(count: int = 1, memory: str = "16GiB") -> dict[str, str]:
        state = tmp_path_factory.mktemp("gpus")
        return {**os.environ, **Gpus(count, memory).environment(state), "LD_LIBRARY_PATH": str(LIB / "simgpu")}

    return environment


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """A server with two simulated GPUs of 16 GiB, shared by tests that leave it as they found it."""
    with temporary_server(Gpus()) as (server, handle):
        yield Demo(server, handle)


@pytest.fixture
def own_demo() -> Iterator[Demo]:
    """A server that the test may break."""
    with temporary_server(Gpus(), name="own") as (server, handle):
        yield Demo(server, handle)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Iterator[Builder]:
    """Builds and returns CUDA programs: `program("matmul", 13, "shared")`. Those of the selected tests are begun ahead."""
    environment.ensure("cuda", "cuda-tests")
    with ThreadPoolExecutor(2) as pool:
        builder = Builder(pool)
        for item in request.session.items:
            variant = item.callspec.params.get("variant") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
            if variant:
                builder.begin(*variant)
        yield builder
        pool.shutdown(cancel_futures=True)
