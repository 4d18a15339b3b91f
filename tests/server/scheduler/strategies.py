"""Random servers and requests."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from bitfusion_core.models import Gpu, LeaseRequest, ServerFacts
from bitfusion_server.scheduler.placement import GpuState, Inventory

SERVER = ServerFacts("10.0.0.5", "gpu-1", "580.65.06", "13.0")


def server_of(*memories_mib: int, reserve_mib: int = 0, server_id: str = "s0") -> Inventory:
    """An idle server with GPUs of these sizes."""
    gpus = tuple(GpuState(Gpu(i, f"{server_id}-GPU-{i}", f"Model {mib}", f"0000:0{i}:00.0", mib)) for i, mib in enumerate(memories_mib))
    return Inventory(SERVER, gpus, reserve_mib, server_id)


_sizes = st.one_of(
    st.lists(st.sampled_from([8000, 16000, 16160, 24000]), min_size=1, max_size=6),
    st.builds(lambda size, count: [size] * count, st.sampled_from([16000, 24000]), st.integers(1, 4)),
)
inventories = st.builds(lambda memories, reserve: server_of(*memories, reserve_mib=reserve), _sizes, st.sampled_from([0, 300]))
clusters = st.lists(inventories, min_size=1, max_size=5).map(
    lambda servers: [_renamed(server, f"s{number}") for number, server in enumerate(servers)]
)
_counts = st.integers(1, 4)
_filters = st.sampled_from([{}, {}, {}, {"device.name": ("16000",)}, {"device.id": ("0", "1")}])
requests = st.one_of(
    st.builds(LeaseRequest, gpus=_counts, filters=_filters),
    st.builds(LeaseRequest, gpus=_counts, fraction=st.sampled_from([0.01, 0.1, 0.25, 0.333, 0.5, 0.75, 1.0])),
    st.builds(LeaseRequest, gpus=_counts, memory_mib=st.integers(1, 25000), filters=_filters),
)


def _renamed(server: Inventory, server_id: str) -> Inventory:
    gpus = tuple(dataclasses.replace(s, gpu=dataclasses.replace(s.gpu, uuid=f"{server_id}-GPU-{s.gpu.index}")) for s in server.gpus)
    return dataclasses.replace(server, gpus=gpus, server_id=server_id)
