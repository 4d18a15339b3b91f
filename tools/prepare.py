"""Gets a checkout ready for the demo: installs, builds and downloads side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools import build, cuda, environment, nvidia_smi
from tools.layout import BUILD, ROOT

VECTOR_ADD = ROOT / "tests" / "cuda" / "programs" / "vector_add.cu"


def demo() -> None:
    """Everything a demo server needs."""
    environment.ensure(*environment.RUNTIME)
    with ThreadPoolExecutor() as pool:
        # The native build keeps the processors busy while the larger packages are downloaded.
        steps = [pool.submit(build.build, "product"), pool.submit(environment.ensure, "simgpu")]
        for step in steps:
            step.result()


def demo_program() -> Path:
    """The statically linked CUDA program of the demo."""
    environment.ensure("build", "cuda")
    built = cuda.program(VECTOR_ADD, cuda.toolkit(13), "static")
    link = BUILD / "demo" / VECTOR_ADD.stem
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(built)
    return link


def real_nvidia_smi() -> Path | str:
    """The distribution's nvidia-smi, or why it is not to be had."""
    try:
        return nvidia_smi.fetch(BUILD / "nvidia-smi")
    except nvidia_smi.UnavailableError as error:
        return str(error)
