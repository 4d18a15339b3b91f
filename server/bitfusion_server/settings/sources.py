"""Where the manager's settings come from: bitfusion-manager.yaml, then the environment, then the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bitfusion_core.errors import InvalidSetting
from bitfusion_core.settings import Settings, from_environment


def load(file: Path | None, environment: Mapping[str, str], arguments: Mapping[str, Any]) -> Settings:
    """The effective settings; the last source wins."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return Settings({**(_read(file) if file is not None else {}), **from_environment(environment), **given})


def _read(file: Path) -> dict[str, Any]:
    """`name: value` lines, or sections: `dispatcher:` with `port:` under it is `dispatcher.port`."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSetting(f"{file}: {error}", hint="Correct the file.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InvalidSetting(f"{file}: settings are 'name: value' lines", hint="Correct the file.")
    return _flat(content, "")


def _flat(content: Mapping[Any, Any], prefix: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        values.update(_flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return values
