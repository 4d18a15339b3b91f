"""The error tree."""

from __future__ import annotations

import pytest

from bitfusion_core import errors

# The tree grows with whatever part has been imported; the client's own branches are its tests' business.
_CORE = [error for error in errors.by_code().values() if error.__module__ == errors.__name__]


@pytest.mark.parametrize("error", _CORE, ids=lambda error: error.code)
def test_every_error_is_complete(error: type[errors.BitfusionError]) -> None:
    """Each class has its own code, says what to do next, and has documented numbers."""
    assert error.title
    assert error.hint
    assert 400 <= error.http_status < 600
    assert error.exit_code in (1, 2, 10, 11, 12, 13, 14)


def test_codes_are_unique() -> None:
    """No class hides another behind the same code."""
    assert len(errors.by_code()) == len(list(errors._tree(errors.BitfusionError)))


def test_problem_round_trip() -> None:
    """An API answer becomes the error it was made from."""
    problem = errors.NeverFits("3 GPUs requested, the server has 2", gpus=3).problem("r1")

    back = errors.from_problem(problem)

    assert isinstance(back, errors.NeverFits)
    assert back.detail == "3 GPUs requested, the server has 2"
    assert problem["gpus"] == 3


def test_unknown_code_keeps_its_text() -> None:
    """A newer server's error is still readable."""
    assert errors.from_problem({"code": "from_the_future", "detail": "new thing"}).detail == "new thing"
