"""What the CMakeLists.txt of a sample says: which sources make the program, which kernels are files of their own, what it needs.

Only the few commands that the samples use are understood: `set`, `add_executable`, `target_link_libraries`, `find_package` and custom
commands that call the CUDA compiler. Branches of `if` for other systems are skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMENT = re.compile(r"#[^\n]*")
COMMAND = re.compile(r"(\w+)\s*\(((?:[^()\"]|\"[^\"]*\"|\([^()]*\))*)\)")
VARIABLE = re.compile(r"\$\{(\w+)\}")
IMAGE = re.compile(r"-o (?P<image>\S+) -(?:fatbin|ptx) (?P<source>\S+)")
OTHER_SYSTEMS = ("WIN32", "MSVC", "QNX", "CMAKE_CROSSCOMPILING")
# The runtime and the driver are what is tested; NVRTC makes PTX. All the other libraries carry code for real GPUs only.
OUR_LIBRARIES = {"cudart": (), "cuda_driver": ("-lcuda",), "nvrtc": ("-lnvrtc", "-lcuda")}
# With arguments that name a picture to compare with, the OpenGL samples compute it without a window; they are linked with GLUT all the same.
OPENGL = {"OpenGL", "GLUT"}
OPENGL_LIBRARIES = ("-lglut", "-lGLU", "-lGL")
WINDOWS = {"EGL", "Vulkan"}
NEEDED_PACKAGES = {"MPI": "needs MPI", "FreeImage": "needs FreeImage", "NVSCI": "needs NvSci", "LLVM": "needs the sources of LLVM"}
SOURCES = {".cu", ".cpp", ".c", ".cc"}


@dataclass(frozen=True)
class Image:
    """A kernel that the program loads from a file beside it."""

    output: str
    source: str


@dataclass(frozen=True)
class Recipe:
    """How one sample is built and run, or why that is not tried."""

    name: str
    folder: Path
    sources: tuple[str, ...]
    options: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    runs: tuple[tuple[str, ...], ...] = ((),)
    gpus: int = 1
    left_out: str = ""

    @property
    def group(self) -> str:
        """The folder of NVIDIA's that it lies in."""
        return self.folder.parent.name


def recipes(samples: Path) -> list[Recipe]:
    """All samples below the folder of the repository, by group and name."""
    arguments = json.loads((samples / "test_args.json").read_text()) if (samples / "test_args.json").exists() else {}
    found = [read(path, arguments.get(path.parent.name, {})) for path in sorted((samples / "Samples").rglob("CMakeLists.txt"))]
    return [recipe for recipe in found if recipe is not None]


def read(listing: Path, arguments: dict[str, Any]) -> Recipe | None:
    """The recipe of one CMakeLists.txt; None for one that only names others."""
    commands = list(_commands(listing.read_text(errors="replace")))
    if not any(name == "project" for name, _ in commands) or not any(name == "find_package" for name, _ in commands):
        return None
    variables = _variables(commands)
    words = [(name, _expand(text, variables)) for name, text in commands]
    return Recipe(
        name=listing.parent.name,
        folder=listing.parent,
        sources=_sources(words),
        options=_options(words),
        images=_images(words),
        runs=tuple(tuple(run["args"]) for run in arguments.get("runs", [{"args": arguments.get("args", [])}])),
        gpus=arguments.get("min_gpus", 1),
        left_out=_left_out(listing, words, arguments),
    )


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Commands with their arguments, without the branches that are for other systems."""
    skipped: list[bool] = []
    for match in COMMAND.finditer(COMMENT.sub("", text)):
        name, arguments = match[1].lower(), match[2]
        if name == "if":
            skipped.append(arguments.strip().startswith(OTHER_SYSTEMS) or '"QNX"' in arguments)
        elif name in ("else", "elseif") and skipped:
            skipped[-1] = False
        elif name == "endif" and skipped:
            skipped.pop()
        elif not any(skipped):
            yield name, arguments


def _variables(commands: list[tuple[str, str]]) -> dict[str, str]:
    """Everything is built and run in a copy of the sample's folder, so both folders of CMake are the current one."""
    variables = {"CMAKE_CURRENT_SOURCE_DIR": ".", "CMAKE_CURRENT_BINARY_DIR": "."}
    for name, arguments in commands:
        words = arguments.replace('"', " ").split()
        if name == "set" and len(words) > 1:
            variables[words[0]] = _expand(" ".join(words[1:]), variables)
    return variables


def _expand(text: str, variables: dict[str, str]) -> str:
    return VARIABLE.sub(lambda match: variables.get(match[1], ""), text.replace('"', " "))


def _sources(words: list[tuple[str, str]]) -> tuple[str, ...]:
    programs = [text.split()[1:] for name, text in words if name == "add_executable"]
    return tuple(word for word in programs[0] if Path(word).suffix in SOURCES) if programs else ()


def _options(words: list[tuple[str, str]]) -> tuple[str, ...]:
    libraries = [flag for library in sorted(_libraries(words)) for flag in OUR_LIBRARIES.get(library, ())]
    openmp = ["-Xcompiler=-fopenmp"] if any("OpenMP::" in text for name, text in words if name == "target_link_libraries") else []
    return tuple(dict.fromkeys((*libraries, *openmp, *(OPENGL_LIBRARIES if _packages(words) & OPENGL else ()))))


def _packages(words: list[tuple[str, str]]) -> set[str]:
    return {text.split()[0] for name, text in words if name == "find_package" and text.strip()}


def _libraries(words: list[tuple[str, str]]) -> set[str]:
    return {found for name, text in words if name == "target_link_libraries" for found in re.findall(r"CUDA::(\w+)", text)}


def _images(words: list[tuple[str, str]]) -> tuple[Image, ...]:
    commands = [" ".join(text.split()) for name, text in words if name == "add_custom_command"]
    matches = [match for command in commands for match in [IMAGE.search(command)] if match]
    return tuple(Image(match["image"], match["source"]) for match in matches)


def _left_out(listing: Path, words: list[tuple[str, str]], arguments: dict[str, Any]) -> str:
    """Why this sample is not for a simulated GPU on a machine without a screen; empty if it is."""
    packages = _packages(words)
    without_window = packages <= OPENGL | {"CUDAToolkit", "X11"} and ("args" in arguments or "runs" in arguments)
    libraries = _libraries(words) - set(OUR_LIBRARIES)
    if "Tegra" in listing.parts:
        return "for Tegra only"
    if packages & WINDOWS or "D3D" in listing.parent.name or (packages & OPENGL and not without_window):
        return "needs a graphics window"
    for package, reason in NEEDED_PACKAGES.items():
        if package in packages:
            return reason
    if libraries:
        return f"needs {', '.join(sorted(libraries))}: code for real GPUs only"
    if arguments.get("skip"):
        return "NVIDIA's own test list skips it"
    return "" if _sources(words) else "has no program of its own"
