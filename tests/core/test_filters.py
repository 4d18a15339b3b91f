"""Which GPUs a request may use."""

from __future__ import annotations

import pytest

from bitfusion_core import filters
from bitfusion_core.errors import InvalidValue, UnknownFilterKey
from bitfusion_core.models import Gpu, ServerFacts

SERVER = ServerFacts("10.0.0.5", "gpu-1", "580.65.06", "13.0", has_rdma=False)
GPU = Gpu(1, "GPU-b", "Tesla T4", "0000:02:00.0", 15109)


@pytest.mark.parametrize(
    "items",
    [
        ["server.addr=10.0.0.5"],
        ["server.hostname=GPU-1"],
        ["server.has-rdma=false"],
        ["server.cuda-version=13"],
        ["server.cuda-version=13.0"],
        ["server.driver-version=580.65"],
        ["device.id=1"],
        ["device.id=GPU-b"],
        ["device.name=tesla"],
        ["device.phy-memory=15109"],
        ["device.id=0", "device.id=1"],
        ["device.name=T4", "server.hostname=gpu-1"],
        [],
    ],
)
def test_matching(items: list[str]) -> None:
    """Each key finds its fact; values of one key are alternatives."""
    assert filters.matches(filters.parse(items), SERVER, GPU)


@pytest.mark.parametrize(
    "items",
    [
        ["server.addr=10.0.0.50"],
        ["server.has-rdma=true"],
        ["server.cuda-version=1"],
        ["server.driver-version=580.6"],
        ["device.id=0"],
        ["device.name=A100"],
        ["device.phy-memory=16160"],
        ["device.name=T4", "server.hostname=gpu-2"],
    ],
)
def test_not_matching(items: list[str]) -> None:
    """Versions are compared part by part; different keys must all hold."""
    assert not filters.matches(filters.parse(items), SERVER, GPU)


def test_unknown_key_lists_the_keys() -> None:
    """The error names the key, the likely one and all others."""
    with pytest.raises(UnknownFilterKey, match=r"Did you mean device\.name") as caught:
        filters.parse(["device.nane=T4"])
    assert "server.has-rdma" in caught.value.advice


@pytest.mark.parametrize("item", ["device.name", "device.name=", "device.phy-memory=big", "server.has-rdma=maybe"])
def test_bad_value(item: str) -> None:
    """A value that can match nothing is refused."""
    with pytest.raises(InvalidValue):
        filters.parse([item])
