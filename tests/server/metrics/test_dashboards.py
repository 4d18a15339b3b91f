"""The Grafana dashboard and the alert rules that come with the documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from bitfusion_server.metrics import prometheus

OPERATE = Path(__file__).parents[3] / "docs" / "operate"
_NAME = re.compile(r"\bbitfusion_\w+")


def exported() -> set[str]:
    """Every series a server can offer."""
    return {prometheus.BUILD_INFO, prometheus.AGE, *(prometheus.name_of(row) for row in prometheus.exported())}


def dashboard() -> dict[str, Any]:
    """The file."""
    loaded: dict[str, Any] = json.loads((OPERATE / "grafana" / "bitfusion.json").read_text())
    return loaded


def rules() -> list[dict[str, Any]]:
    """All alert rules."""
    groups = yaml.safe_load((OPERATE / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_dashboard_names_what_exists() -> None:
    """Every series a panel or a variable asks for is exported, and every one that is exported is shown somewhere."""
    board = dashboard()
    asked = _NAME.findall(json.dumps([board["panels"], board["templating"]]))

    assert set(asked) <= exported()
    assert exported() - set(asked) == {prometheus.BUILD_INFO, prometheus.AGE}


def test_dashboard_layout() -> None:
    """Panels have ids of their own, a unit, and do not lie on each other."""
    panels = dashboard()["panels"]
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(taken)) == len(taken)
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in panels)


def test_alerts_name_what_exists() -> None:
    """Every alert is built on exported series, and says what is wrong and what to do."""
    for rule in rules():
        assert set(_NAME.findall(rule["expr"])) <= exported()
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
    assert len({rule["alert"] for rule in rules()}) == len(rules())
