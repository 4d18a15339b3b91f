"""The table of all samples with what became of each."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.layout import ROOT, ToolError
from tools.samples.build import OUTPUT
from tools.samples.recipe import Recipe
from tools.samples.run import PASSED, Outcome

RESULTS = OUTPUT / "results.json"
PAGE = ROOT / "docs" / "develop" / "cuda-samples.md"
EXPLAINED = Path(__file__).with_name("explained.toml")
GENERATED = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->)", re.DOTALL)
NOT_BUILT = "not built"


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    name: str
    group: str
    straight: Outcome
    remoted: Outcome


def not_built(recipe: Recipe, message: str) -> Result:
    """The line of a sample that the compiler refused."""
    outcome = Outcome(NOT_BUILT, tail=message)
    return Result(recipe.name, recipe.group, outcome, outcome)


def load() -> dict[str, Result]:
    """What earlier calls have found, by name."""
    if not RESULTS.exists():
        return {}
    lines = json.loads(RESULTS.read_text())
    return {line["name"]: Result(line["name"], line["group"], Outcome(**line["straight"]), Outcome(**line["remoted"])) for line in lines}


def save(results: dict[str, Result]) -> None:
    """Keep them for later calls."""
    RESULTS.write_text(json.dumps([asdict(result) for result in results.values()], indent=1))


def write_page(recipes: list[Recipe], results: dict[str, Result]) -> None:
    """Put the table into the documentation; a failure that nobody has explained is an error."""
    explained = tomllib.loads(EXPLAINED.read_text())
    table = render(recipes, results, explained)
    PAGE.write_text(GENERATED.sub(lambda _: table, PAGE.read_text()))
    unexplained = [name for name, result in results.items() if not _passed(result) and name not in explained]
    if unexplained:
        raise ToolError(f"{EXPLAINED} must say why these do not pass: {', '.join(unexplained)}")


def render(recipes: list[Recipe], results: dict[str, Result], explained: dict[str, str]) -> str:
    """Counts, then one line for each sample that was tried, then those that were left out by reason."""
    tried = [results[recipe.name] for recipe in recipes if recipe.name in results]
    straight, remoted = (_counts(outcomes) for outcomes in ([r.straight for r in tried], [r.remoted for r in tried]))
    lines = [
        f"{len(recipes)} samples, {len(tried)} tried. Straight on the simulated driver: {straight}. Through the product: {remoted}.",
        "",
        "| sample | simulated driver | through the product | |",
        "|---|---|---|---|",
        *(_line(result, explained) for result in tried),
        "",
        "Not tried:",
        "",
        *_left_out(recipes),
        "",
    ]
    return "\n".join(lines)


def _counts(outcomes: Iterable[Outcome]) -> str:
    counted = Counter(outcome.word.split(" (")[0] for outcome in outcomes)
    return ", ".join(f"{count} {word}" for word, count in counted.most_common())


def _line(result: Result, explained: dict[str, str]) -> str:
    why = "" if _passed(result) else explained.get(result.name, "")
    return f"| {result.group[:1]} {result.name} | {result.straight.word} | {result.remoted.word} | {why} |"


def _passed(result: Result) -> bool:
    return result.straight.word == result.remoted.word == PASSED


def _left_out(recipes: list[Recipe]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for recipe in recipes:
        if recipe.left_out:
            reasons.setdefault(recipe.left_out, []).append(recipe.name)
    return [f"- {reason}: {', '.join(sorted(names))}" for reason, names in sorted(reasons.items())]
