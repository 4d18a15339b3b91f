"""Programs that the server delivers: fetched once, kept by their hash, and executed in place of the small program of that name.

`nvidia-smi` belongs to NVIDIA's driver and must fit the server's; a client has none.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from bitfusion_client import allocation, identity, log, preferences
from bitfusion_client.errors import CannotExecute, InvalidConfiguration, NoAllocation
from bitfusion_client.http import Manager
from bitfusion_core.errors import EXIT_CANNOT_EXECUTE, EXIT_COMMAND_NOT_FOUND, BitfusionError, ManagerUnreachable, NotFound

_MIB = 1 << 20


def main(name: str) -> int:
    """Become the server's program of this name; returns only an exit code of a failure."""
    try:
        program = fetch(name)
        os.execv(program, [name, *sys.argv[1:]])  # noqa: S606 - what the session's own server has sent
    except NotFound as error:
        return _failed(name, error, EXIT_COMMAND_NOT_FOUND)
    except BitfusionError as error:
        return _failed(name, error, EXIT_CANNOT_EXECUTE)
    except OSError as error:
        return _failed(name, CannotExecute(f"cannot execute {program}: {error.strerror}"), EXIT_CANNOT_EXECUTE)


def fetch(name: str) -> Path:
    """Path of the program of the session's server."""
    chosen = allocation.chosen(None)
    if chosen is None:
        raise NoAllocation(f"{name} needs GPUs", hint=f"Run it with GPUs: bitfusion run -n 1 -- {name}")
    manager = Manager(chosen.server, identity.load())
    try:
        expected = _sha256(manager, name)
        path = _cache() / expected / name
        if not path.exists():
            data = manager.download(f"/v1/tools/{name}/content")
            if hashlib.sha256(data).hexdigest() != expected:
                raise ManagerUnreachable(f"{chosen.server} sent a damaged {name}", hint="Try again.")
            _keep(path, data)
    finally:
        manager.close()
    return path


def _sha256(manager: Manager, name: str) -> str:
    answer = manager.request("GET", f"/v1/tools/{name}")
    digest = answer.get("sha256") if isinstance(answer, dict) else None
    if not isinstance(digest, str) or len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise ManagerUnreachable(f"{manager.server} does not answer as a server should")
    return digest


def _cache() -> Path:
    return Path(str(preferences.load()["cache_store.client_root"].value))


def _keep(path: Path, data: bytes) -> None:
    """Another process may be doing the same; both write the same bytes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        hint = "Make it writable, or name another folder: cache_store.client_root in bitfusion.yaml, or BITFUSION_CACHE_STORE_CLIENT_ROOT."
        raise InvalidConfiguration(f"cannot keep {path}: {error.strerror}", hint=hint) from None
    _clean_up(path)


def _clean_up(newest: Path) -> None:
    """Remove the oldest programs above the size that the user allows; only what lies in folders named by a hash is ours."""
    limit = int(preferences.load()["cache_store.client_cleanup_threshold_MB"].value) * _MIB
    kept = [path for path in newest.parent.parent.glob("*/*") if len(path.parent.name) == 64 and path.is_file()]
    dated = sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in dated:
        total += path.stat().st_size
        if total > limit and path != newest:
            path.unlink()


def _failed(name: str, error: BitfusionError, code: int) -> int:
    log.plain(f"{name}: {error.detail}")
    if error.advice:
        log.plain(error.advice)
    return code
