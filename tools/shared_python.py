"""A Python with this checkout's packages that every user of the machine may run: workers of a demo server that root started are nobody.

The private environment may stand on an interpreter in somebody's home, which others may not enter. Then the distribution's interpreter of the
same version, with the same packages, takes its place.
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from tools.layout import BUILD, PYTHON, ROOT, site_packages

_DISTRIBUTION = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"


def open_to_all(path: Path) -> bool:
    """May every user of the machine reach and read it?"""
    real = path.resolve()
    if not real.exists():
        return False
    folders = real.parents if real.is_file() else (real, *real.parents)
    reachable = all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
    return reachable and bool(real.is_dir() or real.stat().st_mode & stat.S_IROTH)


def find() -> Path | None:
    """The interpreter; None if there is none, or if this checkout itself is not open to all."""
    if not all(open_to_all(path) for path in (ROOT, BUILD, site_packages())):
        return None
    if open_to_all(PYTHON):
        return PYTHON
    return _substitute() if open_to_all(_DISTRIBUTION) else None


def _substitute() -> Path:
    """An environment that consists of links."""
    place = BUILD / "python"
    links = {place / "bin" / "python": _DISTRIBUTION, place / "lib" / _DISTRIBUTION.name / "site-packages": site_packages()}
    for link, target in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() or link.readlink() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    (place / "pyvenv.cfg").write_text(f"home = {_DISTRIBUTION.parent}\ninclude-system-site-packages = false\n")
    return place / "bin" / "python"
