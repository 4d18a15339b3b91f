"""Compiles CUDA programs with nvcc to PTX and host code, with zig as the host compiler, so that no other compiler need be installed.

The wheels have no nvcc of CUDA 12, so the programs for 12.x are compiled by the pinned nvcc against the headers of 12.9 and linked with the
12.9 runtime library: what calls the driver is then the 12.x runtime.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.layout import BUILD, LIB, PYTHON, ROOT, ToolError, cuda_toolkit, site_packages

OVERLAY = ROOT / "tools" / "nvcc_include"
OUTPUT = BUILD / "cuda"
ZIG = ROOT / "native" / "cmake" / "zig" / "c++"
# nvcc's own variable names another compiler, such as g++ for programs that use OpenMP, which zig lacks.
HOST_COMPILER = os.environ.get("NVCC_CCBIN") or str(ZIG)
# Only PTX: it is what the simulated GPU runs, and real GPUs compile it when it is loaded.
ARCHITECTURE = "compute_80"


@dataclass(frozen=True)
class Toolkit:
    """Headers and libraries of one CUDA version, as the wheels lay them out."""

    name: str
    includes: tuple[Path, ...]
    libraries: tuple[Path, ...]
    major: int


def toolkit(major: int) -> Toolkit:
    """The toolkit of CUDA 12 or 13."""
    if major == 13:
        return Toolkit("cuda13", (), (cuda_toolkit() / "lib",), 13)
    wheels = site_packages() / "nvidia"
    parts = (wheels / "cuda_runtime", wheels / "cuda_nvrtc", wheels / "cuda_cccl")
    return Toolkit("cuda12", tuple(part / "include" for part in parts), tuple(part / "lib" for part in parts), 12)


def program(source: Path, cuda: Toolkit, runtime: str) -> Path:
    """The executable of one source, built unless it is there already; `runtime` is `static` or `shared`."""
    compiled = _object(source, cuda)
    executable = compiled.with_suffix(f".{runtime}")
    with _building(compiled):
        if not executable.exists():
            nvcc([f"-cudart={runtime}", str(compiled), *_link_options(source, cuda)], executable)
    return executable


def _object(source: Path, cuda: Toolkit) -> Path:
    options = [f"-arch={ARCHITECTURE}", "-Xcompiler=-O2", f"-I{OVERLAY}", *(f"-I{folder}" for folder in cuda.includes), "-c", str(source)]
    compiled = OUTPUT / cuda.name / f"{source.stem}-{_digest(source, options)}.o"
    with _building(compiled):
        if not compiled.exists():
            nvcc(options, compiled)
    return compiled


@contextmanager
def _building(output: Path) -> Iterator[None]:
    """Others who want the same file wait for it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(source: Path, options: list[str]) -> str:
    inputs = [
        source,
        *sorted(source.parent.glob("*.h")),
        *sorted(path for path in OVERLAY.rglob("*") if path.is_file()),
        ROOT / "pyproject.toml",
    ]
    text = b"\0".join(path.read_bytes() for path in inputs) + "\0".join(options).encode() + _host_compiler()
    return hashlib.sha256(text).hexdigest()[:12]


def _host_compiler() -> bytes:
    """Which compiler it is, and of which release; nvcc also takes the folder that has one called g++."""
    found = shutil.which(HOST_COMPILER) or shutil.which("g++", path=HOST_COMPILER)
    return HOST_COMPILER.encode() + (Path(found).read_bytes() if found else b"")


def _link_options(source: Path, cuda: Toolkit) -> list[str]:
    text = source.read_text()
    libraries = [flag for header, flag in (("cuda.h", "-lcuda"), ("nvrtc.h", "-lnvrtc")) if f"#include <{header}>" in text]
    # Not stripped: zig would build its C++ library once more for that (a minute and a half of a first demo).
    return [*library_paths(cuda), *libraries]


def library_paths(cuda: Toolkit) -> list[str]:
    """Options by which the linker, and later the loader, find the libraries of a toolkit."""
    folders = [_library_names(cuda), *cuda.libraries]
    return [f"-L{folder}" for folder in folders] + [f"-Xlinker=-rpath,{folder}" for folder in cuda.libraries]


def _library_names(cuda: Toolkit) -> Path:
    """A folder with the names that a linker looks for; the wheels only have those of the loader."""
    folder = OUTPUT / cuda.name / "lib"
    folder.mkdir(parents=True, exist_ok=True)
    found = {path.name.split(".so")[0]: path for library in cuda.libraries for path in library.glob(f"lib*.so.{cuda.major}")}
    for name, path in {**found, "libcuda": LIB / "simgpu" / "libcuda.so.1"}.items():
        link = folder / f"{name}.so"
        with suppress(FileExistsError):
            link.symlink_to(path)
    return folder


def nvcc(options: list[str], output: Path, folder: Path | None = None) -> None:
    """Run nvcc, in a folder if one is given; the result appears whole or not at all."""
    unfinished = output.with_name(f".{output.name}")
    command = [
        str(cuda_toolkit() / "bin" / "nvcc"),
        f"-ccbin={HOST_COMPILER}",
        "--allow-unsupported-compiler",
        *options,
        "-o",
        str(unfinished),
    ]
    done = subprocess.run(
        command, check=False, env={**os.environ, "BITFUSION_PYTHON": str(PYTHON)}, cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise ToolError(f"nvcc failed: {shlex.join(command)}\n{done.stdout}{done.stderr}")
    unfinished.replace(output)
