"""The CUDA programs that the development tools build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import cuda
from tools.cuda import Toolkit

CUDA = Toolkit("cuda13", (), (), 13)


@pytest.fixture
def compilations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each run of nvcc was to make; nothing is compiled."""
    made: list[str] = []

    def nvcc(_options: list[str], output: Path) -> None:
        made.append(output.suffix)
        output.touch()

    monkeypatch.setattr(cuda, "nvcc", nvcc)
    monkeypatch.setattr(cuda, "OUTPUT", tmp_path / "cuda")
    return made


def _compiler(path: Path, release: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {release}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_is_built_anew_by_another_host_compiler(tmp_path: Path, compilations: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was built stays until its host compiler is another, or another release of the same, be it named by its folder."""
    source = tmp_path / "program.cu"
    source.write_text("int main() {}\n")
    folder = tmp_path / "bin"
    compiler = _compiler(folder / "g++", "14")
    built = []
    for named in (cuda.HOST_COMPILER, cuda.HOST_COMPILER, compiler, str(folder)):
        monkeypatch.setattr(cuda, "HOST_COMPILER", named)
        built.append(cuda.program(source, CUDA, "static"))
    _compiler(folder / "g++", "15")
    for named in (compiler, str(folder)):
        monkeypatch.setattr(cuda, "HOST_COMPILER", named)
        built.append(cuda.program(source, CUDA, "static"))

    assert built[0] == built[1]
    assert len(set(built)) == 5
    assert compilations == [".o", ".static"] * 5
