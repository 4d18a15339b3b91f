"""What a machine with a GPU runs (`tests/gpu/run.py`), rehearsed on the simulated one; and what is carried there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import carry
from tools.layout import LIB
from tools.server import Gpus

pytestmark = [pytest.mark.slow, pytest.mark.gpu]
RUN = Path(__file__).with_name("run.py")
TIMEOUT_S = 250


def _run(
    out: Path, *arguments: str, python: str = sys.executable, environment: dict[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    command = [python, str(RUN), "--out", str(out), *arguments]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert out.exists(), done.stdout + done.stderr
    return done, json.loads(out.read_text())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that the workers may use, which are other users if the tests are root's."""
    with tempfile.TemporaryDirectory(prefix="bitfusion-gpus-") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


def _is_vector_add(row: dict[str, Any]) -> bool:
    named = (row["case"], row["name"]) == ("vector_add", "vector_add_64MiB")
    return named and row["agree"] is True and row["ratio"] == pytest.approx(row["native_s"] / row["remoted_s"])


def test_table_and_json(tmp_path: Path) -> None:
    """Both show the case that ran, native and remoted, with the same result."""
    done, results = _run(tmp_path / "results.json", "--simulated", "vector_add")

    assert done.returncode == 0, done.stdout + done.stderr
    assert results["failures"] == {}
    [row] = results["rows"]
    assert _is_vector_add(row)
    title, line = done.stdout.splitlines()
    assert title.split() == ["case", "measurement", "native", "remoted", "ratio", "same", "result"]
    assert line.split() == [
        "vector_add",
        "vector_add_64MiB",
        f"{row['native_s'] * 1e3:.3f}",
        "ms",
        f"{row['remoted_s'] * 1e3:.3f}",
        "ms",
        f"{row['ratio']:.3f}",
        "yes",
    ]


def test_a_case_without_its_library(tmp_path: Path) -> None:
    """It is reported, with the reason; the others run all the same, and the exit code says that not all is well."""
    # Nothing here has PyTorch.
    done, results = _run(tmp_path / "results.json", "--simulated", "torch_basics", "vector_add")

    assert done.returncode == 1
    assert "No module named 'torch'" in results["failures"]["torch_basics"]
    assert "torch_basics: exit code 1" in done.stdout
    [row] = results["rows"]
    assert _is_vector_add(row)


def test_what_is_carried(record_testsuite_property: Callable[[str, object], None]) -> None:
    """It is at most 60 MB, for the Python of those machines."""
    size = carry.carry("3.12")
    record_testsuite_property("carried_bytes", size)

    files = [path for path in carry.CARRY.rglob("*") if path.is_file() and not path.is_symlink()]
    assert size == sum(path.stat().st_size for path in files)
    assert size <= 60_000_000


def test_what_is_carried_suffices(open_folder: Path, tmp_path: Path) -> None:
    """With nothing but that, an interpreter and a driver, here the simulated one, a server and a client run."""
    carry.carry(f"{sys.version_info.major}.{sys.version_info.minor}")
    environment = {**os.environ, **Gpus(1).environment(open_folder), "LD_LIBRARY_PATH": str(LIB / "simgpu")}
    bare_python = os.path.realpath(sys.executable)

    done, results = _run(tmp_path / "results.json", "vector_add", python=bare_python, environment=environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [_is_vector_add(row) for row in results["rows"]] == [True]
