"""The units of systemd, as far as they can be judged without running them."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

HIGHEST_EXPOSURE = 2.0


@pytest.fixture
def units(repository: Path) -> Path:
    """Their folder."""
    return repository / "systemd"


def read(path: Path) -> configparser.RawConfigParser:
    """A unit file; keys may be repeated, the last one counts here."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return parser


def test_manager(units: Path) -> None:
    """Supervised, unprivileged, and known under the guide's second name."""
    unit = read(units / "bitfusion-manager.service")

    assert unit["Service"]["Type"] == "notify"
    assert int(unit["Service"]["WatchdogSec"]) > 0
    assert unit["Service"]["User"] == "bitfusion"
    assert unit["Install"]["Alias"] == "bitfusion.service"


def test_workers_are_apart(units: Path) -> None:
    """A restart of the manager touches neither the dispatcher nor its slice."""
    manager, dispatcher = read(units / "bitfusion-manager.service"), read(units / "bitfusion-dispatcher.service")

    assert dispatcher["Service"]["Slice"] == "bitfusion-workers.slice"
    assert "Slice" not in manager["Service"]
    for name in ("PartOf", "BindsTo", "Requires"):
        assert name not in manager["Unit"]
        assert name not in dispatcher["Unit"]


def test_dispatcher_divides_its_control_group(units: Path) -> None:
    """It is handed to it with the controllers it uses, and can be written."""
    service = read(units / "bitfusion-dispatcher.service")["Service"]

    assert service["Delegate"].split() == ["cpu", "memory", "pids"]
    assert service.get("ProtectControlGroups", "no") == "no"


def test_exposure(units: Path) -> None:
    """systemd's own judgement of the manager's confinement."""
    if not shutil.which("systemd-analyze"):
        pytest.fail("systemd-analyze is missing; install it with: sudo apt-get install systemd")
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={HIGHEST_EXPOSURE * 10:.0f}",
        units / "bitfusion-manager.service",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-300:]


def test_every_unit_is_installed(units: Path, repository: Path) -> None:
    """The playbook knows each of them."""
    row = yaml.safe_load((repository / "playbooks/roles/product/defaults/main.yml").read_text())

    found = {path.name for path in units.iterdir() if path.suffix in {".service", ".target", ".timer", ".slice"}}
    assert found == {*row["product_units"], *row["product_slices"]}


def test_open_ports(repository: Path) -> None:
    """ssh, web interface, data connections, API, and no others."""
    row = yaml.safe_load((repository / "playbooks/roles/base/defaults/main.yml").read_text())

    assert sorted(row["base_open_ports"]) == [22, 443, 55001, 56001]
