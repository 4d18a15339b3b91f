"""bitfusion.yaml, and `config show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitfusion_client import config, preferences
from bitfusion_client.errors import InvalidConfiguration
from tests.client.conftest import Cli
from tests.client.fake_manager import FakeManager


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The system's folder and the user's."""
    system, user = tmp_path / "etc", tmp_path / "home"
    system.mkdir()
    user.mkdir()
    monkeypatch.setattr(config, "SYSTEM_DIRECTORY", system)
    monkeypatch.setenv("BITFUSION_HOME", str(user))
    return system, user


def test_files_are_merged_and_the_user_wins(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value comes from the strongest place that says it: environment, user, system, default."""
    system, user = folders
    (system / "bitfusion.yaml").write_text("rdma:\n  enabled: false\n  hops: 3\ncache_store:\n  client_cleanup_threshold_MB: 100\n")
    (user / "bitfusion.yaml").write_text("rdma:\n  hops: 2\nsrs:\n  auto_release_timeout: 2m30s\n")
    monkeypatch.setenv("BITFUSION_CACHE_STORE_CLIENT_CLEANUP_THRESHOLD_MB", "7")

    known = {name: (one.value, one.origin) for name, one in preferences.load().items()}

    assert known["rdma.enabled"] == (False, str(system / "bitfusion.yaml"))
    assert known["rdma.hops"] == (2, str(user / "bitfusion.yaml"))
    assert known["srs.auto_release_timeout"] == (150.0, str(user / "bitfusion.yaml"))
    assert known["cache_store.client_cleanup_threshold_MB"] == (7, "BITFUSION_CACHE_STORE_CLIENT_CLEANUP_THRESHOLD_MB")
    assert known["cache_store.server_root"] == ("", "default")


@pytest.mark.parametrize(
    "text", ["rdma:\n  hops: 4\n", "rdma:\n  enabled: maybe\n", "rmda:\n  hops: 1\n", "{", "srs:\n  auto_release_timeout: soon\n"]
)
def test_bad_values(folders: tuple[Path, Path], text: str) -> None:
    """A wrong value or name is an error that names the file."""
    (folders[1] / "bitfusion.yaml").write_text(text)

    with pytest.raises(InvalidConfiguration, match=str(folders[1])):
        preferences.load()


def test_config_show(cli: Cli) -> None:
    """Every value with its origin; what is missing shows why instead of failing."""
    (cli.home / "client.yaml").unlink()
    environment = {**cli.environment, "BITFUSION_SERVER_LIST": "10.0.0.1;10.0.0.2:56003"}

    result = cli.run("config", "show", "--json", env=environment)

    values = {row["name"]: (row["value"], row["origin"]) for row in json.loads(result.stdout)["values"]}
    assert values["servers"] == ("10.0.0.1:56001 10.0.0.2:56003", "BITFUSION_SERVER_LIST")
    assert values["client_id"][0] == "none"
    assert "no access token" in values["client_id"][1]
    assert values["home"] == (str(cli.home), "BITFUSION_HOME")


def test_origin_is_shown_on_request(cli: Cli) -> None:
    """--origin adds it to each line, behind a common edge."""
    plain, full = cli.run("config", "show").stdout, cli.run("config", "show", "--origin").stdout

    assert "#" not in plain
    assert {line.index("  # ") for line in full.splitlines()} == {full.index("  # ")}


def test_settings_without_effect_are_said(cli: Cli) -> None:
    """RDMA is not in this release: who switches it on is told, and the command goes on; who switches it off is not."""
    (cli.home / "bitfusion.yaml").write_text("rdma:\n  enabled: true\n")
    told = cli.run("run", "-n", "1", "--", "true")
    assert f"{cli.home / 'bitfusion.yaml'}: rdma.enabled has no effect: this release moves data over TCP only" in told.stderr
    assert told.returncode == 0

    (cli.home / "bitfusion.yaml").write_text("rdma:\n  enabled: false\n")
    assert "rdma" not in cli.run("run", "-n", "1", "--", "true").stderr


def test_reservation_asks_to_be_released(cli: Cli, manager: FakeManager) -> None:
    """srs.auto_release_timeout is of request_gpus alone; an application that runs is never cut off by it."""
    variables = {**cli.environment, "BITFUSION_SRS_AUTO_RELEASE_TIMEOUT": "2m30s"}
    cli.run("request_gpus", "-n", "1", env=variables)
    cli.run("run", "-n", "1", "--", "true", env=variables)

    asked = [body.get("auto_release_s") for method, path, body in manager.requests if (method, path) == ("POST", "/v1/leases")]
    assert asked == [150.0, None]
