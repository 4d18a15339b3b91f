"""Measures what starting an application through the product costs: `python -m tools.start_time [RUNS]`.

Each row is run in turn, so that other work on the machine meets all of them alike; minimum and median are printed, and the ratio of the
minimum to that of `python3 -c pass`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tools.layout import CLI, PYTHON
from tools.server import Gpus, temporary_server

_RUNS = 20


UNIT = "python3 -c pass"
VERSION = "bitfusion --version"
NOTHING, RUN = "true", "bitfusion run -n 1 -- true"


def measure(runs: int) -> dict[str, list[float]]:
    """Seconds of each run of each row."""
    rows = {
        UNIT: [str(PYTHON), "-I", "-c", "pass"],
        NOTHING: ["true"],
        VERSION: [str(CLI), "--version"],
        "bitfusion list_gpus": [str(CLI), "list_gpus"],
        RUN: [str(CLI), "run", "-n", "1", "--", "true"],
    }
    with temporary_server(Gpus(), name="start") as (_, handle):
        environment = handle.client_environment()
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(runs):
            for name, command in rows.items():
                times[name].append(_timed(command, environment))
    return times


def main(runs: int) -> None:
    """Measure and print."""
    times = measure(runs)
    unit = min(times[UNIT])
    for name, seconds in times.items():
        print(
            f"{name:28} min {min(seconds) * 1e3:6.1f} ms  median {statistics.median(seconds) * 1e3:6.1f} ms  {min(seconds) / unit:5.1f} x"
        )


def _timed(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _RUNS)
