"""What goes into the package bitfusion-client, as it will lie on a client; client_pkg/packaging has the rest."""

from __future__ import annotations

import gzip
import importlib
import shutil
from datetime import datetime
from pathlib import Path

from tools import staging
from tools.layout import LIB, ROOT, site_packages

SOURCE = ROOT / "client_pkg" / "packaging"
# Only the builds of packages and documentation use these modules.
_LEFT_OUT = ("completion.py", "manual.py", "reference.py", "py.typed", "__pycache__", "*.pyc")


def stage(work: Path, moment: datetime) -> dict[str, str]:
    """Fill `work`; the values that nfpm.yaml asks for."""
    root = work / "stage"
    product = root / "usr" / "lib" / "bitfusion"
    staging.copy_all(SOURCE, work, "bitfusion-limits.conf")
    staging.copy(SOURCE / "bitfusion", root / "usr" / "bin" / "bitfusion", 0o755)
    staging.copy(SOURCE / "nvidia-smi", product / "bin" / "nvidia-smi", 0o755)
    _stage_modules(product / "python")
    staging.strip(LIB / "client" / "libcuda.so.1", product / "lib" / "libcuda.so.1")
    _stage_texts(work, root / "usr" / "share", moment)
    return {"MANUALS_OF_RPM": _manuals_of_rpm(work / "man")}


def _stage_modules(target: Path) -> None:
    sources = (ROOT / "client_pkg" / "bitfusion_client", ROOT / "core" / "bitfusion_core", site_packages() / "click")
    for source in sources:
        shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    for path in target.rglob("*.py"):
        path.chmod(0o644)


def _stage_texts(work: Path, share: Path, moment: datetime) -> None:
    """Manual pages and completion, made from the table of commands."""
    manual = importlib.import_module("bitfusion_client.manual")
    completion = importlib.import_module("bitfusion_client.completion")
    for name, text in manual.pages(f"{moment:%Y-%m-%d}").items():
        staging.write(work / "man" / f"{name}.gz", gzip.compress(text.encode(), 9, mtime=0))
    places = {"bitfusion": share / "bash-completion" / "completions", "bitfusion.fish": share / "fish" / "vendor_completions.d"}
    for name, text in completion.scripts().items():
        staging.write(places.get(name, work / "completion") / name, text.encode())


def _manuals_of_rpm(folder: Path) -> str:
    """nfpm marks files of an .rpm as documentation only one by one."""
    row = "{{src: man/{0}, dst: /usr/share/man/man1/{0}, type: doc, packager: rpm}}"
    return "\n  ".join(f"- {row.format(path.name)}" for path in sorted(folder.iterdir()))
