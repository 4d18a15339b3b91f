"""What the packages add to shells and to man."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from bitfusion_client import completion, manual
from bitfusion_client.catalogue import ROWS


def complete(*words: str) -> list[str]:
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    script = completion.scripts()["bitfusion"]
    test = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _bitfusion; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", test], check=True, capture_output=True, text=True).stdout.split()


def test_bash() -> None:
    """Commands, their options and their own commands; behind -- the application's command line is left to bash."""
    assert sorted(complete("bitfusion", "re")) == ["register", "release_gpus", "removenode", "request_gpus", "resource_scheduler"]
    assert complete("bitfusion", "run", "--num") == ["--num_gpus"]
    assert complete("bitfusion", "token", "in") == ["install"]
    assert complete("bitfusion", "run", "-n", "1", "--", "--num") == []


@pytest.mark.parametrize("shell,name", [("zsh", "_bitfusion"), ("fish", "bitfusion.fish")])
def test_other_shells(shell: str, name: str) -> None:
    """Every command is in the script; where the shell is there, it takes it."""
    script = completion.scripts()[name]

    assert [row.name for row in ROWS if row.name not in script] == []
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_manual_pages() -> None:
    """One for each command, and nothing in a text is taken for a request of roff."""
    pages = manual.pages("2026-01-01")

    assert set(pages) == {"bitfusion.1", *(f"bitfusion-{row.name}.1" for row in ROWS)}
    known = (".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi")
    requests = {line for page in pages.values() for line in page.splitlines() if line.startswith((".", "'"))}
    assert [line for line in requests if not line.startswith(known)] == []
