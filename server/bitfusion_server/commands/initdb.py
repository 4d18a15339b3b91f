"""`bitfusion initdb`: create the store of this server, or bring an older one to this version."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bitfusion_server.commands import local
from bitfusion_server.data_directory import DataDirectory


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bitfusion initdb", description="Create the server's database, or migrate it to this version.")
    local.add_data_option(parser)
    arguments = parser.parse_args(words)
    data = DataDirectory(arguments.data.absolute())

    def command() -> None:
        _become_owner(data.path)
        data.prepare()
        asyncio.run(_prepare(data))

    return local.run(command)


def _become_owner(directory: Path) -> None:
    """Root makes files for the manager's user, who could not open root's."""
    if os.geteuid() == 0 and directory.exists():
        owner = directory.stat()
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)


async def _prepare(data: DataDirectory) -> None:
    store = data.store()
    await store.open()
    try:
        print(f"The database in {data.path} is ready: {store.describe()}.")
    finally:
        await store.close()


if __name__ == "__main__":
    sys.exit(main())
