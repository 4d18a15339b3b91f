"""What users do, as shell scripts that a support engineer can read and run: `tests/flows/scenarios/*.sh`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import trustme

from tests.demo import Demo

SCENARIOS = Path(__file__).parent / "scenarios"
SLOW = {"many_at_once"}


def scenarios() -> list[object]:
    """Every script; those that take long are of the second tier."""
    names = sorted(path.stem for path in SCENARIOS.glob("*.sh") if path.stem != "lib")
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


@pytest.mark.parametrize("name", scenarios())
def test_scenario(demo: Demo, tmp_path: Path, name: str) -> None:
    """The script runs to its end; each of its expectations is printed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bitfusion").symlink_to(demo.handle.cli)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.crt"))
    environment = demo.environment(
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        WORK=str(tmp_path),
        AUTHORITY=demo.handle.ca,
        ADMINISTRATOR=demo.handle.admin_token,
        SERVER=demo.handle.url.removeprefix("https://"),
        OTHER_AUTHORITY=str(tmp_path / "other.crt"),
    )

    done = subprocess.run(
        ["sh", str(SCENARIOS / f"{name}.sh")],
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT: " not in done.stdout
    assert demo.leases() == []
