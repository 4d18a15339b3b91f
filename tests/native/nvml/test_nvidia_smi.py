"""The distribution's own nvidia-smi on the simulated NVML."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.native.nvml.simulated import environment
from tools.layout import BUILD
from tools.nvidia_smi import UnavailableError, fetch


@pytest.fixture(scope="module")
def nvidia_smi() -> Path:
    """The program; skips where it cannot be had."""
    try:
        return fetch(BUILD / "nvidia-smi")
    except UnavailableError as reason:
        pytest.skip(str(reason))


def show(program: Path, state: Path, *arguments: str) -> str:
    """What nvidia-smi prints on a machine with two GPUs."""
    done = subprocess.run([str(program), *arguments], env=environment(state, 2), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_shows_a_table(nvidia_smi: Path, tmp_path: Path) -> None:
    """The plain call: both GPUs, their memory, nobody on them."""
    table = show(nvidia_smi, tmp_path)
    assert table.count("Test GPU") == 2
    assert table.count("0MiB / 16384MiB") + table.count("0MiB /  16384MiB") == 2
    assert "No running processes found" in table


def test_lists_the_gpus(nvidia_smi: Path, tmp_path: Path) -> None:
    """One line a GPU."""
    lines = show(nvidia_smi, tmp_path, "-L").splitlines()
    assert [line.partition(" (UUID: GPU-")[0] for line in lines] == ["GPU 0: Test GPU", "GPU 1: Test GPU"]


def test_answers_queries(nvidia_smi: Path, tmp_path: Path) -> None:
    """Scripts and monitors read this form."""
    columns = (
        "index,name,pci.bus_id,memory.total,memory.used,temperature.gpu,pstate,power.draw,utilization.gpu,compute_cap,ecc.mode.current"
    )
    table = show(nvidia_smi, tmp_path, f"--query-gpu={columns}", "--format=csv,noheader,nounits")
    rows = [line.split(", ") for line in table.splitlines()]
    assert rows[1] == ["1", "Test GPU", "00000000:14:00.0", "16384", "0", "36", "P8", "15.00", "0", "12.0", "Enabled"]
    assert show(nvidia_smi, tmp_path, "--query-compute-apps=pid,used_memory", "--format=csv,noheader") == ""


def test_reports_everything_it_knows(nvidia_smi: Path, tmp_path: Path) -> None:
    """The long report comes to its end, and no line of it holds an error."""
    report = show(nvidia_smi, tmp_path, "-q")
    assert report.count("Product Name") == 2
    for failure in ("Unknown Error", "Invalid Argument", "Function Not Found", "Uninitialized"):
        assert failure not in report
