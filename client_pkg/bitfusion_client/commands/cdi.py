"""`bitfusion cdi`: a Container Device Interface specification for reserved GPUs, for docker and podman."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bitfusion_client import allocation, application, files, output
from bitfusion_client.allocation import Allocation
from bitfusion_client.errors import InvalidConfiguration, NoAllocation
from bitfusion_client.helping import Command

# The format's version that brought everything used here, https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
CDI_VERSION = "0.5.0"
KIND = "bitfusion.io/gpu"
_LIBRARIES = "/usr/lib/bitfusion/lib"
_ALLOCATION = "/run/bitfusion/allocation"
_READ_ONLY = ["ro", "nosuid", "nodev", "rbind", "rprivate"]

EXAMPLES = ("bitfusion cdi > bitfusion.json", "sudo bitfusion cdi -f /tmp/bitfusion940406361 --output /etc/cdi/bitfusion.json")
NOTES = """A container that names the device uses the reserved GPUs:
docker run --device bitfusion.io/gpu=all IMAGE COMMAND, and the same with podman."""


@click.command("cdi", cls=Command, examples=EXAMPLES, notes=NOTES)
@click.option("-f", "--file", "file", metavar="file", help="the allocation file; else BITFUSION_ALLOCATION, else your newest reservation")
@click.option("-o", "--output", "target", metavar="file", help="write the specification here instead of to standard output")
def command(file: str | None, target: str | None) -> None:
    """Write a CDI specification, with which containers use GPUs of the network."""
    chosen = allocation.chosen(file)
    if chosen is None:
        reserved = allocation.reserved()
        if not reserved:
            raise NoAllocation("no GPUs are reserved: there is no allocation file of yours in /tmp")
        chosen = reserved[0]
    text = json.dumps(specification(chosen, application.library_directory()), indent=2)
    if target is None:
        output.text(text)
        return
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        files.replace_text(Path(target), text + "\n", 0o644)
    except OSError as error:
        raise InvalidConfiguration(f"cannot write {target}: {error.strerror}", hint="Use sudo, or another --output.") from None


def specification(chosen: Allocation, libraries: Path) -> dict[str, Any]:
    """The libraries and the allocation, as one device; the file with the key is mounted, never copied."""
    mounts = [_mount(str(libraries), _LIBRARIES), _mount(str(chosen.path), _ALLOCATION)]
    variables = [f"LD_LIBRARY_PATH={_LIBRARIES}", f"BITFUSION_ALLOCATION={_ALLOCATION}"]
    edits = {"env": variables, "mounts": mounts}
    return {"cdiVersion": CDI_VERSION, "kind": KIND, "devices": [{"name": "all", "containerEdits": edits}]}


def _mount(host: str, container: str) -> dict[str, Any]:
    return {"hostPath": host, "containerPath": container, "options": _READ_ONLY}
