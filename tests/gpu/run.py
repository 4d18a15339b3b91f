"""On a machine with an NVIDIA GPU: a server and a client over loopback; every case native and through the product, side by side.

    python3 tests/gpu/run.py [--out results.json] [CASE...]

Needs Python 3.12, the NVIDIA driver, and for each case its library (PyTorch, CuPy, JAX); no network. What the product itself needs is carried
there in build/carry, which `python -m tools.carry` makes on a development machine. `--simulated` rehearses it on the simulated GPU.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARRY = ROOT / "build" / "carry"
CASES = Path(__file__).parent / "cases"
TIMEOUT_S = 240
# Native and remoted run the same kernels; only atomics and autotuning may differ.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Row:
    """One measurement of one case."""

    case: str
    name: str
    native_s: float
    remoted_s: float
    agree: bool

    @property
    def ratio(self) -> float:
        """Native speed that is left: 1.0 is none lost."""
        return self.native_s / self.remoted_s if self.remoted_s else math.inf


class CaseError(Exception):
    """A case could not be run, and why."""


def prepare(simulated: bool) -> None:
    """Make the product importable here and write its command."""
    if simulated:
        return
    if not (CARRY / "lib").is_dir():
        raise SystemExit("build/carry is missing; on a development machine: ./dev build && .venv/bin/python -m tools.carry")
    packages = [str(path) for path in (CARRY / "python", ROOT / "core", ROOT / "client_pkg", ROOT / "server", ROOT)]
    os.environ.update(BITFUSION_BUILD=str(CARRY), BITFUSION_PYTHON=sys.executable, PYTHONPATH=":".join(packages))
    sys.path[:0] = packages
    command = CARRY / "bin" / "bitfusion"
    command.parent.mkdir(exist_ok=True)
    # The application must not inherit our search path.
    start = f"import sys; sys.path[:0] = {packages!r}; from bitfusion_client.main import main; sys.exit(main())"
    command.write_text(
        f'#!/bin/sh\nunset PYTHONPATH\nexport BITFUSION_LIB_DIR={CARRY}/lib/client\nexec {sys.executable} -I -c "{start}" "$@"\n'
    )
    command.chmod(0o755)


def run_case(command: list[str], environment: dict[str, str]) -> dict[str, dict[str, float]]:
    """What a case measured: the JSON object on its last line."""
    try:
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise CaseError(f"not done after {TIMEOUT_S} s") from None
    if done.returncode:
        raise CaseError(f"exit code {done.returncode}: {' | '.join(done.stderr.strip().splitlines()[-3:])}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def compare(case: Path, client: list[str], native: dict[str, str], remoted: dict[str, str]) -> list[Row]:
    """Run one case both ways."""
    command = [sys.executable, str(case)]
    expected = run_case(command, native)
    actual = run_case([*client, *command], remoted)
    return [
        Row(case.stem, name, row["seconds"], actual[name]["seconds"], math.isclose(row["value"], actual[name]["value"], rel_tol=TOLERANCE))
        for name, row in expected.items()
    ]


def table(rows: list[Row]) -> str:
    """For people."""
    lines = [f"{'case':<16} {'measurement':<28} {'native':>12} {'remoted':>12} {'ratio':>7}  same result"]
    lines += [
        f"{row.case:<16} {row.name:<28} {row.native_s * 1e3:>9.3f} ms {row.remoted_s * 1e3:>9.3f} ms {row.ratio:>7.3f}  {'yes' if row.agree else 'NO'}"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the cases, print the table, write the JSON."""
    known = sorted(path.stem for path in CASES.glob("*.py"))
    parser = argparse.ArgumentParser(description="Native against remoted on a real GPU.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="of: " + ", ".join(known))
    parser.add_argument("--out", type=Path, default=Path("gpu-results.json"), help="where the JSON goes (default gpu-results.json)")
    parser.add_argument("--simulated", action="store_true", help="rehearse on the simulated GPU of a development machine")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.cases) - set(known))
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}; cases: {', '.join(known)}")
    prepare(arguments.simulated)
    rows, failures = measure(arguments.cases or known, arguments.simulated)
    print(table(rows))
    for case, reason in failures.items():
        print(f"{case}: {reason}")
    arguments.out.write_text(json.dumps({"rows": [{**asdict(row), "ratio": row.ratio} for row in rows], "failures": failures}, indent=1))
    return 0 if rows and all(row.agree for row in rows) and not failures else 1


def measure(cases: list[str], simulated: bool) -> tuple[list[Row], dict[str, str]]:
    """All cases on one server; a case that cannot run does not stop the others."""
    from tools.server import Gpus, RealGpus, temporary_server

    gpus = Gpus(1) if simulated else RealGpus()
    program = {"VECTOR_ADD": str(_vector_add(simulated))}
    rows: list[Row] = []
    failures: dict[str, str] = {}
    with temporary_server(gpus) as (server, handle):
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        native = {**inherited, **program, **server.native_environment()}
        remoted = {**inherited, **program, "BITFUSION_HOME": handle.home}
        for case in cases:
            try:
                rows += compare(CASES / f"{case}.py", [handle.cli, "run", "-n", "1", "--"], native, remoted)
            except CaseError as error:
                failures[case] = str(error)
        if failures:
            print(server.log.read_text(errors="replace")[-4000:], file=sys.stderr)
    return rows, failures


def _vector_add(simulated: bool) -> Path:
    if not simulated:
        return CARRY / "vector_add"
    from tools import prepare as preparation

    return preparation.demo_program()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
