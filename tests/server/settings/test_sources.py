"""Where settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitfusion_core.errors import InvalidSetting
from bitfusion_server.settings import sources


def test_later_sources_win(tmp_path: Path) -> None:
    """File, then environment, then command line."""
    file = tmp_path / "bitfusion-manager.yaml"
    file.write_text("dispatcher:\n  port: 1001\nlease.silence_s: 30\ndata.tls: off\n")

    settings = sources.load(
        file, {"BITFUSION_DISPATCHER_PORT": "1002", "BITFUSION_LEASE_SILENCE_S": "40"}, {"dispatcher.port": 1003, "manager.listen": None}
    )

    assert settings.integer("dispatcher.port") == 1003
    assert settings.number("lease.silence_s") == 40
    assert settings.flag("data.tls") is False
    assert settings.text("manager.listen") == "0.0.0.0:56001"


@pytest.mark.parametrize("text", ["- a\n- b\n", "dispatcher: {port: [\n", "dispatcher.prot: 5\n", "dispatcher.port: many\n", "\x00"])
def test_bad_files(tmp_path: Path, text: str) -> None:
    """A file that cannot mean what was intended is refused."""
    file = tmp_path / "bitfusion-manager.yaml"
    file.write_text(text)

    with pytest.raises(InvalidSetting):
        sources.load(file, {}, {})


def test_empty_file(tmp_path: Path) -> None:
    """Nothing set means all defaults."""
    file = tmp_path / "bitfusion-manager.yaml"
    file.write_text("# nothing\n")

    assert sources.load(file, {}, {}).integer("dispatcher.port") == 55001
