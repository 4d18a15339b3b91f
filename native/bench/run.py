"""Measure what an application sees through the product against what the machine can do: `python native/bench/run.py [--plain] [--gate]`.

Starts a dispatcher of its own with one simulated GPU and null kernels, runs the CUDA program `bitfusion_bench_product` as a client of it,
and prints a table of ratios, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BITFUSION_BUILD") or ROOT / "build")
LIB = Path(os.environ.get("BITFUSION_LIBRARIES") or BUILD / "lib")
WITHIN_S = 120


def run_program(name: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run one of the benchmark programs; the JSON object it prints."""
    command = [str(BUILD / "tests" / name)]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=WITHIN_S, check=True).stdout
    result: dict[str, Any] = json.loads(output)
    return result


@contextmanager
def dispatcher(folder: Path, tls: bool) -> Iterator[Path]:
    """A dispatcher with one admitted session; the session's allocation file."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    state = folder / "simgpu"
    state.mkdir()
    environment = {
        **os.environ,
        "BITFUSION_WORKER_LIBRARY": str(LIB / "server/libbitfusion_worker.so"),
        "BITFUSION_CUDA_LIBRARY": str(LIB / "simgpu/libcuda.so.1"),
        "BITFUSION_NVML_LIBRARY": str(LIB / "simgpu/libnvidia-ml.so.1"),
        "SIMGPU_STATE": str(state),
        "SIMGPU_CACHE": str(folder / "kernels"),
        "SIMGPU_COMPILER": f"{sys.executable} -m native.ptx.service",
        "SIMGPU_NULL_KERNELS": "1",
    }
    command = [sys.executable, "-m", "bitfusion_server.dispatcher", "--data", str(folder), "--listen", address, "--log-level", "warning"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield admit(folder, address, gpu_uuid(environment), tls)
        finally:
            process.terminate()


def gpu_uuid(environment: dict[str, str]) -> str:
    """The simulated GPU's own name for itself."""
    code = (
        "import pynvml, ctypes, os; pynvml.nvmlLib = ctypes.CDLL(os.environ['BITFUSION_NVML_LIBRARY']); pynvml.nvmlInit();"
        "print(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(0)))"
    )
    return subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def admit(folder: Path, address: str, gpu: str, tls: bool) -> Path:
    """Admit a session at the dispatcher's control socket and write its allocation file."""
    session = {"session": str(uuid.uuid4()), "key": secrets.token_hex(32), "gpus": [gpu], "memory_bytes": 0, "tls": tls}
    with socket.socket(socket.AF_UNIX) as control:
        while control.connect_ex(str(folder / "run/dispatcher.sock")):
            pass
        control.sendall(json.dumps({"id": 1, "op": "admit", **session}).encode() + b"\n")
        answer = json.loads(control.makefile().readline())
    if not answer["ok"]:
        sys.exit(f"the dispatcher refused: {answer['error']}")
    allocation = folder / "allocation"
    lines = {
        "version": 1,
        **{name: session[name] for name in ("session", "key")},
        "address": address,
        "tls": "on" if tls else "off",
        "gpus": 1,
    }
    allocation.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    return allocation


ROUND_TRIPS = {"blocking_call_us": "blocking call", "launch_sync_us": "launch + sync"}
COPIES = ("h2d_pageable", "d2h_pageable", "h2d_pinned", "d2h_pinned")

# What has to hold on any machine.
LEAST_LAUNCHES_PER_S = 300_000
MOST_PING_PONGS = 4.0  # that a launch with its synchronisation takes, median
LEAST_OF_TCP = 0.4


def table(raw: dict[str, Any], product: dict[str, Any]) -> Iterator[str]:
    """What, the product's figure, the machine's, their ratio."""
    for name, title in ROUND_TRIPS.items():
        for kind in ("p50", "mean", "p999"):
            ours, theirs = product[name][kind], raw["ping_pong_us"][kind]
            yield f"{title}, {kind:4}       {ours:10.1f} us    ping-pong {theirs:8.1f} us    {ours / theirs:6.2f} x"
    yield f"launches                  {product['launches_per_s']:10.0f} /s"
    for name in COPIES:
        ours, theirs = product[f"{name}_gb_s"], raw["tcp_gb_s"]
        yield f"{name:25} {ours:10.2f} GB/s  raw TCP   {theirs:8.2f} GB/s  {ours / theirs:6.2f} x"


def missed(raw: dict[str, Any], product: dict[str, Any]) -> Iterator[str]:
    """The bounds that these figures do not keep."""
    if product["launches_per_s"] < LEAST_LAUNCHES_PER_S:
        yield f"{product['launches_per_s']:.0f} launches/s are fewer than {LEAST_LAUNCHES_PER_S}"
    trips = product["launch_sync_us"]["p50"] / raw["ping_pong_us"]["p50"]
    if trips > MOST_PING_PONGS:
        yield f"launch + sync takes {trips:.2f} ping-pongs, more than {MOST_PING_PONGS:.0f}"
    for name in COPIES:
        share = product[f"{name}_gb_s"] / raw["tcp_gb_s"]
        if share < LEAST_OF_TCP:
            yield f"{name} reaches {share:.2f} of raw TCP, less than {LEAST_OF_TCP}"


def main() -> int:
    """Measure and print; with `--gate` the exit status says whether every bound is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="data connections without TLS")
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a bound is missed, and say which")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bitfusion-bench-") as name, dispatcher(Path(name), not arguments.plain) as allocation:
        client = {**os.environ, "LD_LIBRARY_PATH": str(LIB / "client"), "BITFUSION_ALLOCATION": str(allocation)}
        raw, product = run_program("bitfusion_bench_raw"), run_program("bitfusion_bench_product", client)
    print("\n".join(table(raw, product)))
    print(json.dumps({"tls": not arguments.plain, "raw": raw, "product": product}))
    failures = list(missed(raw, product)) if arguments.gate else []
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
