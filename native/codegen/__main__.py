"""Command line: `python -m native.codegen --out DIR` for the build, `--docs DIR` for the reference pages."""

from __future__ import annotations

import argparse
from pathlib import Path

from native.codegen import client, coverage, exports, fuzz, nvml, worker
from native.spec.model import Api
from native.spec.registry import all_calls


def main() -> None:
    """Writes what is asked for; a file whose text is unchanged keeps its time, so nothing is compiled again for it."""
    parser = argparse.ArgumentParser(prog="python -m native.codegen", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the generated C++")
    parser.add_argument("--docs", type=Path, help="folder for the coverage pages")
    options = parser.parse_args()
    if options.out:
        _write_all(options.out / "calls", _sources())
    if options.docs:
        pages = {f"{api.value}-coverage.md": coverage.coverage_page(list(all_calls()), api) for api in (Api.CUDA, Api.NVML)}
        _write_all(options.docs, {name: text for name, text in pages.items() if "\n| " in text})


def _sources() -> dict[str, str]:
    rows = list(all_calls())
    exported = [row for row in rows if row.exported]
    cuda = [row for row in rows if row.api is Api.CUDA]
    forwarded = [row for row in rows if row.forwarded]
    return {
        "rows.h": client.rows_header(),
        "remote.h": client.remote_header(forwarded),
        "remote.cpp": client.remote_source(forwarded),
        "api.h": client.api_header(cuda),
        "api.cpp": client.api_source(cuda),
        "exports.cpp": exports.exports_source(cuda),
        "exports.map": exports.version_script(exported),
        "procedures.cpp": exports.procedures_source(cuda),
        "cuda_driver.h": worker.driver_header(cuda),
        "cuda_driver.cpp": worker.driver_source(cuda),
        "calls.h": worker.calls_header(forwarded),
        "handlers.cpp": worker.handlers_source(forwarded),
        "fuzz_rows.h": fuzz.fuzz_header(forwarded),
        **nvml.sources(rows),
    }


def _write_all(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
