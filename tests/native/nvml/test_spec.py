"""The NVML rows against the pinned nvml.h."""

from __future__ import annotations

import re

import pytest

from native.codegen.text import header_parameters
from native.spec.model import Api, CallClass, Kind
from native.spec.nvml_model import NvmlCall
from native.spec.registry import calls
from native.src.simgpu.nvml.refusals import UNDECLARED
from tools.layout import cuda_toolkit

EXTRA = {*UNDECLARED, "nvmlInternalGetExportTable"}  # exported, but declared in no header
ROWS = {row.name: row for row in calls(Api.NVML) if isinstance(row, NvmlCall)}


def declarations() -> dict[str, str]:
    """Parameter lists of nvml.h by function, without blanks and names of parameters."""
    header = (cuda_toolkit() / "include/nvml.h").read_text()
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", header, flags=re.DOTALL)
    found = re.findall(r"\bDECLDIR\s+(?:char\s*\*\s*)?(nvml\w+)\s*\(([^)]*)\)", code)
    return {name: types_of(parameters) for name, parameters in found}


def types_of(parameters: str) -> str:
    """The types of a parameter list, without blanks."""
    types = [re.sub(r"\s*\b\w+\s*$", "", parameter.strip()) for parameter in parameters.split(",") if parameter.strip() != "void"]
    return ",".join(re.sub(r"\s+", "", kind) for kind in types)


def test_every_function_has_a_row_and_every_row_a_function() -> None:
    """Nothing is forgotten and nothing invented."""
    assert set(ROWS) == {*declarations(), *EXTRA}


DESCRIBED = [row for row in ROWS.values() if row.call_class is not CallClass.REFUSED and row.name not in EXTRA]


@pytest.mark.parametrize("row", DESCRIBED, ids=lambda row: row.name)
def test_parameters_are_those_of_the_header(row: NvmlCall) -> None:
    """A described row has the header's types, in order."""
    assert types_of(header_parameters(row)) == declarations()[row.name]


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.ahead], ids=lambda row: row.name)
def test_questions_asked_ahead_are_complete(row: NvmlCall) -> None:
    """A question that is asked ahead has a value for each argument that distinguishes it, at most three."""
    lengths = {arg.count for arg in row.args if arg.kind is Kind.OUT_TEXT}
    distinguishing = [arg for arg in row.args if (arg.kind is Kind.VALUE and arg.name not in lengths) or arg.kind is Kind.VERSIONED]
    assert {len(values) for values in row.ahead} == {len(distinguishing)}
    assert len(distinguishing) <= 3
