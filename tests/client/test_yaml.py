from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_client import yaml

KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
SCALARS = st.from_regex(r"[A-Za-z0-9_./][A-Za-z0-9_./ #-]{0,10}[A-Za-z0-9]", fullmatch=True).filter(lambda text: " #" not in text)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3), max_leaves=8
    ),
    min_size=1,
    max_size=4,
)


def emit(value: Any, indent: int = 0) -> str:
    """A block document for `value`."""
    space = " " * indent
    if isinstance(value, str):
        return f"{space}{value}\n"
    entries = ((f"{space}{key}:", one) for key, one in value.items()) if isinstance(value, dict) else ((f"{space}-", one) for one in value)
    return "".join(f"{head} {one}\n" if isinstance(one, str) else f"{head}\n{emit(one, indent + 2)}" for head, one in entries)


@given(DOCUMENTS)
def test_round_trip(document: dict[str, Any]) -> None:
    """Every block document of the supported part is read as written."""
    assert yaml.parse(emit(document)) == document


@given(st.text(alphabet=st.sampled_from("ab:-# \n'\"\t{[&"), max_size=60))
def test_any_text_is_a_value_or_an_error(text: str) -> None:
    """No input makes the reader fail in another way."""
    try:
        yaml.parse(text)
    except yaml.YamlError:
        return


@pytest.mark.parametrize(
    "text", ["a: &x 1", "a: [1]", "a: {b: 1}", "a: |\n  x", "a: 'x", "a: 1\na: 2", "a\n", "a: 1\n   b: 2", "\ta: 1", 'a: "x\\n"']
)
def test_refused(text: str) -> None:
    """What is beyond the supported part is refused with its line."""
    with pytest.raises(yaml.YamlError, match="line "):
        yaml.parse(text)
