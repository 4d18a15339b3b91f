"""The help texts and the reference page made from them."""

from __future__ import annotations

import re
from pathlib import Path

from bitfusion_client import reference
from bitfusion_client.catalogue import ROWS
from tests.client.conftest import REPOSITORY, Cli

GUIDE = """
tls-certs TC, version v, localhealth LH, dealloc, crashreport, license, list_gpus, initdb, token, register, unregister, removenode, user,
help h, client c, health H, request_gpus, release_gpus, run, stats, smi, local, net_perf, server s, resource_scheduler srs, analytics, manager
"""


def test_reference_page_is_current() -> None:
    """The committed page is what the tables say, and with it every --help."""
    assert Path(REPOSITORY / "docs" / "reference" / "cli.md").read_text() == reference.page()


def test_all_names_of_the_guide() -> None:
    """Same commands, same aliases, same order; ours beyond the guide are named here."""
    titles = [" ".join(filter(None, (row.name, row.alias))) for row in ROWS]
    assert [title for title in titles if title not in ("config", "cdi")] == [name.strip() for name in re.split(r"[,\n]+", GUIDE.strip())]


def test_screen_by_every_way(cli: Cli) -> None:
    """Without arguments, by command, alias and option: the same screen on standard output, and success."""
    screens = [cli.run(*arguments) for arguments in ((), ("help",), ("h",), ("--help",), ("-h",))]

    assert {(screen.stdout, screen.stderr, screen.returncode) for screen in screens} == {(screens[0].stdout, "", 0)}
    assert screens[0].stdout.startswith("NAME:\n    bitfusion - ")


def test_page_by_every_way(cli: Cli) -> None:
    """`help c`, `client -h` and `client --help` are the same page, which begins with examples."""
    pages = [cli.run(*arguments).stdout for arguments in (("help", "client"), ("help", "c"), ("client", "-h"), ("c", "--help"))]

    assert set(pages) == {pages[0]}
    assert pages[0].index("EXAMPLES:") < pages[0].index("USAGE:") < pages[0].index("OPTIONS:")


def test_unknown_command(cli: Cli) -> None:
    """A near miss is suggested, also by help."""
    for arguments in (("list_gpu",), ("help", "list_gpu")):
        result = cli.run(*arguments)
        assert "Error: unknown command 'list_gpu'. Did you mean 'list_gpus'?" in result.stderr
        assert result.returncode == 2
