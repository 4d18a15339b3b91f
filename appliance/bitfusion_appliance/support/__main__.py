"""`sudo bitfusion-supportbundle.sh`: writes /tmp/bitfusion-supportbundle.tar.gz."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bitfusion_appliance.support import bundle, collect
from bitfusion_appliance.support.collect import Collected

TARGET = Path("/tmp/bitfusion-supportbundle.tar.gz")  # noqa: S108 - the name that the user guide gives
_FREE_BYTES = 256 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect, and say where the bundle is."""
    parser = argparse.ArgumentParser(prog="bitfusion-supportbundle.sh", description="Collect settings, states and logs for support.")
    parser.add_argument("--output", type=Path, default=TARGET, metavar="FILE", help=f"default: {TARGET}")
    chosen = parser.parse_args(arguments)
    if os.geteuid():
        print(
            "bitfusion-supportbundle: logs and settings are readable for root only\nRun: sudo bitfusion-supportbundle.sh", file=sys.stderr
        )
        return 1
    if shutil.disk_usage(chosen.output.parent).free < _FREE_BYTES:
        print(f"bitfusion-supportbundle: less than {_FREE_BYTES >> 20} MiB are free in {chosen.output.parent}\nFree some.", file=sys.stderr)
        return 1
    root = Path("/")
    entries = bundle.write(chosen.output, _everything(root), bundle.secrets(root))
    redacted = sum(entry.redactions for entry in entries)
    print(f"{chosen.output}: {len(entries)} files; {redacted} secrets were taken out. Look through it before you hand it on.")
    return 0


def _everything(root: Path) -> Iterator[Collected]:
    yield from collect.files(root)
    for command in collect.COMMANDS:
        print(f"  {command.name}", file=sys.stderr)
        yield collect.output(command)


if __name__ == "__main__":
    sys.exit(main())
