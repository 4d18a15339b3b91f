"""What goes into the package bitfusion-server: the appliance's product without what the package bitfusion-client has, and the units.

The units that set an appliance up from its vApp properties stay out: they would give any other machine a new name and new networks.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from tools import environment, staging
from tools.layout import BUILD, LIB, ROOT

SOURCE = ROOT / "server" / "packaging"
UNITS = ("bitfusion-dispatcher.service", "bitfusion-manager.service", "bitfusion-workers.slice")
_DECLARATIONS = {"sysusers.conf": "sysusers.d", "tmpfiles.conf": "tmpfiles.d"}
# What only tests, compilers and installers need, and the client's click.
_LEFT_OUT = (
    "llvmlite/tests",
    "multidict/_testcapi.*.so",
    "multidict/*.h",
    "cffi/*.h",
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "click*",
)


def stage(work: Path, moment: datetime) -> dict[str, str]:  # noqa: ARG001 - the same for all packages
    """Fill `work`; the values that nfpm.yaml asks for."""
    environment.ensure("appliance")
    root = work / "stage"
    product = root / "usr" / "lib" / "bitfusion"
    python = _stage_product(product)
    _leave_out(product / "venv" / "lib" / f"python{python}" / "site-packages")
    for path in product.rglob("*"):
        if path.is_file() and not path.is_symlink():
            _tidy(path)
    for name in UNITS:
        staging.copy(ROOT / "systemd" / name, root / "usr" / "lib" / "systemd" / "system" / name)
    for name, folder in _DECLARATIONS.items():
        staging.copy(ROOT / "systemd" / name, root / "usr" / "lib" / folder / "bitfusion.conf")
    return {"PYTHON": f"python{python}"}


def _stage_product(product: Path) -> str:
    """The version of Python that it needs."""
    # Imported here: only this package needs the appliance's builder.
    from bitfusion_appliance.builder import product as builder

    cache = BUILD / "packages-cache"
    cache.mkdir(parents=True, exist_ok=True)
    builder.assemble(builder.Checkout(ROOT, LIB), product, cache)
    for name in builder.CLIENT_PARTS:
        _remove(product / name)
    return builder.PYTHON


def _leave_out(packages: Path) -> None:
    for pattern in _LEFT_OUT:
        for path in packages.glob(pattern):
            _remove(path)


def _tidy(path: Path) -> None:
    """The mode that such a file of a package has; libraries without debugging sections, modules without the first line of a script."""
    if ".so" in path.suffixes:
        staging.strip(path, path)
        return
    path.chmod(0o755 if path.parent.name == "bin" or path.name == "bitfusion-server" else 0o644)
    if path.suffix == ".py":
        code = path.read_bytes()
        if code.startswith(b"#!"):
            path.write_bytes(b"#" + code[code.index(b"\n") :])


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
