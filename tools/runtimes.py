"""Older CUDA runtime libraries, unpacked side by side: programs bring their own, and all of them must work."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.layout import BUILD, PYTHON, ToolError, locked

FOLDER = BUILD / "cudart"


@dataclass(frozen=True)
class Runtime:
    """One release of the runtime library: its package, pinned, and where that puts the library."""

    version: str
    package: str
    library: str

    @property
    def folder(self) -> Path:
        """Where the library lies once it has been fetched."""
        return FOLDER / self.version / Path(self.library).parent

    @property
    def path(self) -> Path:
        """The shared library."""
        return FOLDER / self.version / self.library


# The wheels before 13.0 hold no static archive; the newest 12 and 13 are in the private environment, with theirs.
OLD = tuple(
    Runtime(version, package, library)
    for version, package, library in (
        ("11.8", "nvidia-cuda-runtime-cu11==11.8.89", "nvidia/cuda_runtime/lib/libcudart.so.11.0"),
        ("12.1", "nvidia-cuda-runtime-cu12==12.1.105", "nvidia/cuda_runtime/lib/libcudart.so.12"),
        ("12.4", "nvidia-cuda-runtime-cu12==12.4.127", "nvidia/cuda_runtime/lib/libcudart.so.12"),
        ("12.8", "nvidia-cuda-runtime-cu12==12.8.90", "nvidia/cuda_runtime/lib/libcudart.so.12"),
        ("13.0", "nvidia-cuda-runtime==13.0.96", "nvidia/cu13/lib/libcudart.so.13"),
    )
)


def fetch(runtime: Runtime) -> Path:
    """The library, unpacked from its wheel unless that was done before."""
    with locked(f"cudart-{runtime.version}"):
        if not runtime.path.exists():
            _unpack(runtime, FOLDER / runtime.version)
    return runtime.path


def _unpack(runtime: Runtime, folder: Path) -> None:
    """pip writes into a folder beside, so that what is there is whole."""
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]
    command = [str(PYTHON), "-m", "pip", "install", *options, "--target", str(unfinished), runtime.package]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise ToolError(f"could not fetch {runtime.package} (see above); it is needed once, over the network")
    unfinished.rename(folder)
