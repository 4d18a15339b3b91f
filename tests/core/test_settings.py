"""The settings table."""

from __future__ import annotations

import pytest

from bitfusion_core.errors import InvalidSetting
from bitfusion_core.settings import TABLE, Settings, from_environment


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_row_is_complete(row) -> None:  # type: ignore[no-untyped-def]
    """Every default passes its own check and every row has help and both bounds or none."""
    assert row.default == row.parse(row.default)
    assert row.help
    assert (row.low is None) == (row.high is None)
    assert isinstance(row.default, row.type)


def test_texts_become_typed_values() -> None:
    """Environment and file give text; durations take units."""
    settings = Settings({"lease.silence_s": "2m", "data.tls": "off", "dispatcher.port": "55002"})

    assert (settings.number("lease.silence_s"), settings.flag("data.tls"), settings.integer("dispatcher.port")) == (120.0, False, 55002)


@pytest.mark.parametrize(
    "name, value",
    [("dispatcher.port", "0"), ("dispatcher.port", True), ("dispatcher.port", 5.5), ("data.tls", "perhaps"), ("lease.silence_s", "soon")],
)
def test_bad_value_is_named(name: str, value: object) -> None:
    """The error names the setting."""
    with pytest.raises(InvalidSetting, match=name):
        Settings({name: value})


def test_unknown_name_is_refused() -> None:
    """A misspelt setting is an error, not silence."""
    with pytest.raises(InvalidSetting, match=r"unknown setting 'data\.tsl'"):
        Settings({"data.tsl": "on"})


def test_environment() -> None:
    """A variable's name follows from the setting's."""
    assert from_environment({"BITFUSION_LEASE_SILENCE_S": "5", "HOME": "/"}) == {"lease.silence_s": "5"}
