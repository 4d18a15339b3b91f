"""`python -m bitfusion_server.manager`: the manager process."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from bitfusion_core.errors import BitfusionError, InvalidSetting
from bitfusion_core.settings import Settings
from bitfusion_server import files, log, supervision
from bitfusion_server.administration.audit import Audit
from bitfusion_server.app import Manager
from bitfusion_server.auth import tokens
from bitfusion_server.data_directory import DataDirectory
from bitfusion_server.gpu.inventory import Inventory
from bitfusion_server.settings import sources
from bitfusion_server.store.base import Role, Store

_log = structlog.get_logger(__name__)

_ADMIN_FILE = "admin.token"
_SOON_S = 3600.0


def main() -> int:
    """Run until told to stop, or issue a token; returns the exit code."""
    arguments = _parser().parse_args()
    log.configure(arguments.log_level)
    data = DataDirectory(arguments.data.absolute())

    def work() -> None:
        settings = sources.load(arguments.config, os.environ, _settings_of(arguments))
        if arguments.issue_token is not None:
            print(asyncio.run(_issue_offline(data, settings, Role(arguments.issue_token), arguments.description)))
        else:
            serve(data, settings, bootstrap_admin=arguments.bootstrap_admin, own_dispatcher=arguments.own_dispatcher)

    return report(work)


def serve(data: DataDirectory, settings: Settings, *, bootstrap_admin: bool, own_dispatcher: bool = False) -> None:
    """Run a manager until it is told to stop."""
    asyncio.run(_run(data, settings, bootstrap_admin=bootstrap_admin, own_dispatcher=own_dispatcher))


def report(work: Callable[[], None]) -> int:
    """Do it; a failure is a message and an exit code."""
    try:
        work()
    except BitfusionError as error:
        print(f"bitfusion-manager: {error.title}: {error.detail}\n{error.advice}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"bitfusion-manager: cannot start: {error}\nCheck the address, the port and the data directory.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bitfusion-manager", description="Leases the GPUs of this server to clients.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="data directory: store, certificates, sockets")
    parser.add_argument("--config", type=Path, metavar="FILE", help="bitfusion-manager.yaml")
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help="where the API listens (manager.listen)")
    parser.add_argument("--dispatcher-port", type=int, metavar="PORT", help="port of the data connections (dispatcher.port)")
    parser.add_argument("--own-dispatcher", action="store_true", help="end the dispatcher and all sessions together with the manager")
    parser.add_argument("--bootstrap-admin", action="store_true", help=f"write an administrator's token to DIR/{_ADMIN_FILE}, once")
    parser.add_argument("--issue-token", choices=[role.value for role in Role], help="print a new token of this role and exit")
    parser.add_argument("--description", default="", metavar="TEXT", help="what the token is for")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser


def _settings_of(arguments: argparse.Namespace) -> dict[str, object]:
    return {"manager.listen": arguments.listen, "dispatcher.port": arguments.dispatcher_port}


async def _issue_offline(data: DataDirectory, settings: Settings, role: Role, description: str) -> str:
    """Works whether or not the manager runs: it will find the token in the store."""
    data.prepare()
    store = data.store()
    await store.open()
    try:
        return await _issue(data, store, settings, role, description)
    finally:
        await store.close()


async def _issue(data: DataDirectory, store: Store, settings: Settings, role: Role, description: str) -> str:
    lifetime_days = settings.integer("token.lifetime_days") if role is Role.CLIENT else None
    key = tokens.load_key(data.token_key) if role is Role.CLIENT else None
    new = await tokens.issue(store, role, description, time.time(), lifetime_days, key=key)
    await Audit(store, time.time).record("local", "token.create", f"token {new.token.id}", None, new.token)
    return new.text


async def _run(data: DataDirectory, settings: Settings, *, bootstrap_admin: bool, own_dispatcher: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    manager = Manager(data, settings, Inventory(devices=_devices(settings)), own_dispatcher=own_dispatcher)
    try:
        await manager.start()
        _on_hangup(manager)
        if bootstrap_admin:
            await _bootstrap_admin(data, manager.store, settings)
        supervision.notify("READY=1")
        alive = asyncio.create_task(supervision.keep_alive())
        await stop.wait()
        alive.cancel()
        supervision.notify("STOPPING=1")
        _log.info("manager stops")
    finally:
        await manager.stop()


def _devices(settings: Settings) -> frozenset[int] | None:
    """The GPUs to lease by index; None: all."""
    text = settings.text("gpu.devices")
    try:
        return frozenset(int(index) for index in text.split(",")) if text.strip() else None
    except ValueError as error:
        raise InvalidSetting(f"gpu.devices: {text!r} is not a list of indexes", hint="Write for example 0,2.") from error


def _on_hangup(manager: Manager) -> None:
    """SIGHUP: read again what people change in files."""
    loop = asyncio.get_running_loop()
    reloading: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(manager.reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)


async def administered(store: Store) -> bool:
    """Is there an administrator? The token of a command that was killed is none, and soon good for nothing."""
    soon = time.time() + _SOON_S
    lasting = (token.role for token in await store.tokens() if not token.user and (token.expires_at is None or token.expires_at > soon))
    people = (user.role for user in await store.users() if user.active)
    return Role.ADMIN in {*lasting, *people}


async def _bootstrap_admin(data: DataDirectory, store: Store, settings: Settings) -> None:
    """The first administrator has to come from somewhere: a file only the manager's user can read."""
    if await administered(store):
        return
    text = await _issue(data, store, settings, Role.ADMIN, "first administrator")
    files.replace(data.path / _ADMIN_FILE, f"{text}\n".encode(), 0o600)


if __name__ == "__main__":
    sys.exit(main())
