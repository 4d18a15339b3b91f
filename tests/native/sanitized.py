"""Programs of native/tests built with the system's g++ under AddressSanitizer and UndefinedBehaviorSanitizer.

zig brings no AddressSanitizer. The C libraries of the ordinary build (TLS) are linked as they are.
"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.layout import BUILD, ROOT, ToolError, cuda_toolkit

COMPILER = "/usr/bin/g++"
FLAGS = (
    "-std=c++20",
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-Wall",
    "-Wextra",
)
WORKERS = 2
# What both the link and the session are made of, and a loopback between them.
PIPES = ("transport", "worker")
OUT = BUILD / "sanitized"


def sources(*names: str, handlers: bool = False) -> list[Path]:
    """The files of a test program: the tests' own by name, and both ends of the pipes."""
    native = ROOT / "native"
    found = [native / "tests" / f"{name}.cpp" for name in names]
    found += [path for folder in PIPES for path in sorted((native / "src" / folder).glob("*.cpp")) if path.name != "worker.cpp"]
    if handlers:
        found += sorted((native / "src" / "worker" / "handlers").rglob("*.cpp"))
        found += [BUILD / "generated" / "calls" / name for name in ("handlers.cpp", "cuda_driver.cpp", "nvml_answers.cpp")]
    return found


def build(program: str, files: list[Path]) -> Path:
    """Compiles and links what has changed; returns the executable."""
    if not Path(COMPILER).exists():
        raise ToolError(f"{COMPILER} is missing; install it with: sudo apt-get install g++")
    OUT.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        objects = list(pool.map(_compile, files))
    target = OUT / program
    tls = BUILD / "tls" / "lib"
    _run([*FLAGS, "-o", str(target), *map(str, objects), str(tls / "libs2n.a"), str(tls / "libcrypto.a"), "-pthread", "-ldl"])
    return target


def _compile(source: Path) -> Path:
    folders = (
        ROOT / "native" / "include",
        ROOT / "native" / "src",
        ROOT / "native" / "tests",
        BUILD / "generated",
        BUILD / "tls" / "include",
    )
    target = OUT / (str(source.relative_to(ROOT)).replace("/", "_") + ".o")
    depends = target.with_suffix(".d")
    if _is_newer(target, depends):
        return target
    includes = [f"-I{folder}" for folder in folders] + ["-isystem", str(cuda_toolkit() / "include")]
    _run([*FLAGS, *includes, "-MMD", "-MF", str(depends), "-c", str(source), "-o", str(target)])
    return target


def _is_newer(target: Path, depends: Path) -> bool:
    if not target.exists() or not depends.exists():
        return False
    made = target.stat().st_mtime
    files = [Path(name) for name in depends.read_text().replace("\\\n", " ").split()[1:]]
    return all(file.exists() and file.stat().st_mtime <= made for file in files)


def _run(arguments: list[str]) -> None:
    done = subprocess.run([COMPILER, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{COMPILER} {' '.join(arguments[-3:])} failed:\n{done.stderr[-4000:]}")
