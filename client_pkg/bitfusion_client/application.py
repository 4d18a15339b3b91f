"""The application to start: its command line, its program file, its environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bitfusion_client import config
from bitfusion_client.errors import CannotExecute, CommandNotFound, LibrariesMissing, UsageError
from bitfusion_client.guardian import LAUNCH_VARIABLE, nested

INSTALLED_LIBRARIES = Path("/usr/lib/bitfusion/lib")
LIBRARY = "libcuda.so.1"


class Application(NamedTuple):
    """A command line whose program has been found."""

    program: str
    arguments: tuple[str, ...]

    @property
    def shown(self) -> str:
        """For the log."""
        return " ".join(self.arguments)


def find(words: Sequence[str]) -> Application:
    """The application that the user's words name; an error when it cannot be executed."""
    arguments = split_words(words)
    return Application(find_program(arguments[0]), arguments)


def split_words(words: Sequence[str]) -> tuple[str, ...]:
    """`-- python x.py` as it stands; the quoted form, one word with blanks, is split as a shell would."""
    if not words or not any(words):
        raise UsageError("no application given", hint="Put it after '--': bitfusion run -n 1 -- python train.py")
    if len(words) > 1 or not any(char.isspace() for char in words[0]) or os.path.isfile(words[0]):
        return tuple(words)
    import shlex

    try:
        split = tuple(shlex.split(words[0]))
    except ValueError as error:
        raise UsageError(f"the quoted application cannot be split: {error}", hint="Put the application after '--' instead.") from None
    if not split:
        raise UsageError("no application given", hint="Put it after '--': bitfusion run -n 1 -- python train.py")
    return split


def find_program(name: str) -> str:
    """Path of the program, as the shell would find it."""
    folders = [""] if "/" in name else search_path().split(":")
    candidates = [os.path.join(folder or ".", name) if "/" not in name else name for folder in folders]
    present = [path for path in candidates if os.path.exists(path)]
    for path in present:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    if not present:
        raise CommandNotFound(f"'{name}': no such program")
    raise CannotExecute(f"'{present[0]}': {'it is a directory' if os.path.isdir(present[0]) else 'permission denied'}")


def tool_directory() -> str | None:
    """Folder of the programs that stand for the server's own, such as nvidia-smi; beside that of the libraries."""
    folder = os.path.join(os.path.dirname(str(_library_candidates()[0])), "bin")
    return folder if os.path.isdir(folder) else None


def search_path() -> str:
    """PATH of the application: the user's, and at its end what servers deliver."""
    path = os.environ.get("PATH", os.defpath)
    tools = tool_directory()
    return path if tools is None or tools in path.split(":") else f"{path}:{tools}"


def library_directory() -> Path:
    """Where the client's libcuda.so.1 is."""
    candidates = _library_candidates()
    for folder in candidates:
        if (folder / LIBRARY).exists():
            return folder.absolute()
    raise LibrariesMissing(f"no {LIBRARY} in {' or '.join(map(str, candidates))}")


def _library_candidates() -> list[Path]:
    given = os.environ.get("BITFUSION_LIB_DIR")
    if given:
        return [Path(given)]
    # A source checkout uses what it has built; the installed libraries may be of another version.
    checkout = config.checkout()
    built = [checkout / "build" / "lib" / "client"] if checkout is not None else []
    return [*built, INSTALLED_LIBRARIES]


def local_environment() -> dict[str, str]:
    """The environment for this machine's own driver: ours without what `environment` adds."""
    variables = {name: value for name, value in os.environ.items() if name != "BITFUSION_ALLOCATION"}
    ours = {str(folder) for folder in _library_candidates()}
    kept = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder and folder not in ours]
    variables.pop("LD_LIBRARY_PATH", None)
    return {**variables, "LD_LIBRARY_PATH": ":".join(kept)} if kept else variables


def environment(libraries: Path, allocation: Path, launch: str | None = None) -> dict[str, str]:
    """The environment of the application: ours plus the library directory, the allocation and the launch id."""
    inherited = os.environ.get("LD_LIBRARY_PATH")
    variables = dict(os.environ)
    variables["LD_LIBRARY_PATH"] = f"{libraries}:{inherited}" if inherited else str(libraries)
    variables["BITFUSION_ALLOCATION"] = str(allocation)
    if tool_directory() is not None:
        variables["PATH"] = search_path()
    if launch is not None:
        variables[LAUNCH_VARIABLE] = nested(launch)
    return variables
