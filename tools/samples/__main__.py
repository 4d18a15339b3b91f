"""`./dev samples FOLDER [NAME...]`; what it does is in the package's own text."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools import environment, prepare
from tools.layout import ToolError, say
from tools.samples import report
from tools.samples.build import OUTPUT, try_build
from tools.samples.recipe import Recipe, recipes
from tools.samples.report import Result
from tools.samples.run import PASSED, Machine, remoted, run, straight
from tools.server import Gpus, temporary_server

MACHINE = Gpus(2, "8GiB")


def main() -> int:
    """`python -m tools.samples`; 0 if every sample that was tried passes both ways."""
    arguments = _arguments()
    every = recipes(_folder(arguments.folder))
    chosen = _chosen(every, arguments.names)
    prepare.demo()
    environment.ensure("build", "cuda", "cuda-tests", "samples")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    results = report.load()
    with temporary_server(MACHINE, name="samples") as (server, handle), ThreadPoolExecutor(arguments.jobs) as pool:
        ways = (straight(server), remoted(handle))
        for result in pool.map(lambda recipe: _try(recipe, ways, arguments.timeout), chosen):
            results[result.name] = result
            report.save(results)
    if arguments.page:
        report.write_page(every, results)
    return 0 if all(results[recipe.name].remoted.word == PASSED for recipe in chosen) else 1


def _try(recipe: Recipe, ways: tuple[Machine, Machine], timeout_s: float) -> Result:
    refused = try_build(recipe)
    if refused:
        say(f"{recipe.name}: not built: {refused}")
        return report.not_built(recipe, refused)
    native, product = (run(recipe, OUTPUT / recipe.name / recipe.name, way, timeout_s) for way in ways)
    say(f"{recipe.name}: {native.word} in {native.seconds:g} s, through the product {product.word} in {product.seconds:g} s")
    return Result(recipe.name, recipe.group, native, product)


def _chosen(every: list[Recipe], names: list[str]) -> list[Recipe]:
    unknown = set(names) - {recipe.name for recipe in every}
    if unknown:
        raise ToolError(f"there is no sample {', '.join(sorted(unknown))} in that folder")
    return [recipe for recipe in every if (recipe.name in names if names else not recipe.left_out)]


def _folder(path: str) -> Path:
    folder = Path(os.environ.get("CALLER_DIR", ".")) / path
    if not (folder / "Samples").is_dir():
        raise ToolError(f"{folder} does not hold NVIDIA's cuda-samples; get them with: git clone https://github.com/NVIDIA/cuda-samples")
    return folder.resolve()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev samples", description="NVIDIA's cuda-samples on the simulated GPU, natively and remoted.")
    parser.add_argument("folder", metavar="FOLDER", help="where the repository cuda-samples lies")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these samples")
    parser.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="for each run (default 300)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="samples at the same time (default 1)")
    parser.add_argument("--page", action="store_true", help="write the table of docs/develop/cuda-samples.md")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ToolError as error:
        say(str(error))
        sys.exit(1)
