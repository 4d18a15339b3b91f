"""Programs on the simulated NVML: where it lies and what they need in their environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.layout import LIB

LIBRARY = LIB / "simgpu" / "libnvidia-ml.so.1"


def environment(state: Path, gpus: int = 1, memory: str = "16GiB") -> dict[str, str]:
    """The environment of a machine with simulated GPUs; `state` is the folder its processes share."""
    simulated = {
        "LD_LIBRARY_PATH": str(LIBRARY.parent),
        "SIMGPU_STATE": str(state),
        "SIMGPU_COUNT": str(gpus),
        "SIMGPU_MEMORY": memory,
        "SIMGPU_NAME": "Test GPU",
    }
    return {**os.environ, **simulated}


def evaluate(program: str, environment: dict[str, str]) -> Any:
    """What a Python program (which has pynvml as `n`, ready) leaves in `result`, by way of JSON."""
    text = f"import json, pynvml as n\nn.nvmlInit()\n{program}\nprint(json.dumps(result))"
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
