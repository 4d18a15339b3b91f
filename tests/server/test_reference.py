"""The generated reference pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitfusion_server import reference

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", reference.pages())
def test_page_is_current(name: str) -> None:
    """What is committed is what the tables say."""
    assert (REPOSITORY / "docs" / "reference" / name).read_text(encoding="utf-8") == reference.pages()[name]
