from __future__ import annotations

import pytest

from tools.nvidia_smi import with_section

DEB822 = """\
# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF

Types: deb
URIs: http://vendor.example/apt
Suites: stable
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""

ONE_LINE = """\
deb [signed-by=/usr/share/keyrings/a.gpg arch=amd64] http://mirror.example/ubuntu noble main universe # comment
deb-src http://mirror.example/ubuntu noble main
# deb http://off.example/ubuntu noble main
deb http://vendor.example/apt cloud-sdk-noble main
deb http://mirror.example/ubuntu noble universe
"""


@pytest.mark.parametrize(
    "name, text, codename, expected",
    [
        (
            ".sources",
            DEB822,
            "bookworm",
            [
                (
                    "types: deb\nuris: http://mirror.example/debian\nsuites: bookworm bookworm-updates\ncomponents: non-free\n"
                    "signed-by: -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"
                )
            ],
        ),
        (
            ".list",
            ONE_LINE,
            "noble",
            ["deb [signed-by=/usr/share/keyrings/a.gpg arch=amd64] http://mirror.example/ubuntu noble non-free\n"],
        ),
    ],
)
def test_asks_the_distributions_own_archives_for_another_section(name: str, text: str, codename: str, expected: list[str]) -> None:
    """Vendors' archives, disabled ones and sources are left alone; keys and options stay."""
    assert [entry for _, entry in with_section(iter([(name, text)]), codename, "non-free")] == expected
