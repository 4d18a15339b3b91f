"""The structures shared by compiled code and C++ are described twice; the two must agree."""

from __future__ import annotations

import re

from native.ptx import abi
from tests.native.ptx.harness import ROOT

HEADER = (ROOT / "native/src/simgpu/exec/kernel_abi.h").read_text()


def test_offsets_agree() -> None:
    """Every offset the compiler uses is asserted in the header with the same value."""
    asserted = {(m[1], m[2]): int(m[3]) for m in re.finditer(r"offsetof\((\w+), (\w+)\) == (\d+)", HEADER)}

    described = {
        (structure, name): offset
        for structure, fields in (("LaunchContext", abi.LAUNCH), ("BlockContext", abi.BLOCK), ("ThreadContext", abi.THREAD))
        for name, offset in fields.items()
    }

    assert described == asserted


def test_versions_agree() -> None:
    """A changed layout must not meet cached code of the old one."""
    version = re.search(r"kKernelAbiVersion = (\d+)", HEADER)

    assert version is not None
    assert int(version[1]) == abi.VERSION


def test_every_helper_is_known_to_the_loader() -> None:
    """A helper that the compiler may call is in the table of math.cpp."""
    table = (ROOT / "native/src/simgpu/exec/math.cpp").read_text()
    rounded = re.compile(r"_(rz|rm|rp)$")

    missing = [name for name in abi.all_helpers() if not rounded.search(name) and f"OWN({name})" not in table]

    assert missing == []
