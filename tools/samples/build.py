"""Compiles samples, each in a copy of its folder: some compile kernels at run time, and all look for their data beside them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools import cuda
from tools.layout import BUILD, ToolError, cuda_toolkit
from tools.samples.recipe import Recipe

OUTPUT = BUILD / "samples"
# What the simulated GPU says it is.
ARCHITECTURE = "compute_120"


def build(recipe: Recipe) -> Path:
    """The executable, built unless it is there already."""
    folder = OUTPUT / recipe.name
    executable = folder / recipe.name
    if executable.is_file():
        return executable
    shutil.copytree(recipe.folder, folder, dirs_exist_ok=True)
    for image in recipe.images:
        kind = "-ptx" if image.output.endswith(".ptx") else "-fatbin"
        cuda.nvcc([*_options(recipe), kind, image.source], folder / image.output, folder)
    cuda.nvcc([*_options(recipe), *_sources(recipe), *_link_options(recipe)], executable, folder)
    _provide_headers(folder)
    return executable


def try_build(recipe: Recipe) -> str:
    """Build it; returns what the compiler said if it could not."""
    try:
        build(recipe)
    except ToolError as error:
        return str(error)
    return ""


def _sources(recipe: Recipe) -> list[str]:
    """Those of the sample lie in the copy; what it shares with others is used where it is."""
    return [str((recipe.folder / name).resolve()) if name.startswith("..") else name for name in recipe.sources]


def _options(recipe: Recipe) -> list[str]:
    common = recipe.folder.parents[2] / "Common"
    overlay = [cuda.OVERLAY] if str(cuda.ZIG) == cuda.HOST_COMPILER else []
    includes = [f"-I{folder}" for folder in (*overlay, common)]
    return [f"-arch={ARCHITECTURE}", "-std=c++17", "--extended-lambda", "-Xcompiler=-O2", "-w", *includes]


def _link_options(recipe: Recipe) -> list[str]:
    return [*cuda.library_paths(cuda.toolkit(13)), *recipe.options]


def _provide_headers(folder: Path) -> None:
    """Samples that compile at run time look for the toolkit's headers beside them."""
    includes = cuda_toolkit() / "include"
    for name, target in {"cooperative_groups.h": "", "cooperative_groups": "", "cuda": "cccl/cuda", "nv": "cccl/nv"}.items():
        link = folder / name
        if not link.exists():
            link.symlink_to(os.path.relpath(includes / (target or name), folder))
