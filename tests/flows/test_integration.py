"""Slurm, shells and containers: the examples of the documentation, run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.demo import Demo

SLURM = Path(__file__).resolve().parents[2] / "docs" / "use" / "slurm"
JOB = """set -eu
{export}
[ "$(bitfusion client -- sh -c 'grep -c ^session $BITFUSION_ALLOCATION')" = 1 ]
bitfusion client -- sh -c 'grep ^gpus $BITFUSION_ALLOCATION'
exit 6
"""


class Slurm:
    """What the scripts need of a node: scontrol, runuser, and `bitfusion` on PATH."""

    def __init__(self, folder: Path, demo: Demo, asked: str) -> None:
        tools = folder / "bin"
        tools.mkdir()
        (tools / "bitfusion").symlink_to(demo.handle.cli)
        self._script(tools / "scontrol", f'echo "$@" >>{folder}/scontrol; echo "JobId=$3 TresPerNode={asked}"')
        self._script(tools / "runuser", 'shift 3; exec "$@"')
        self.folder = folder
        self.environment = demo.environment(
            PATH=f"{tools}:{os.environ['PATH']}",
            SLURM_JOB_ID="4711",
            SLURM_JOB_USER="root",
            BITFUSION_SLURM_FOLDER=str(folder / "state"),
            BITFUSION_SLURM_TIMEOUT="1",
        )

    def _script(self, path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A script or job on the node."""
        return subprocess.run(command, check=False, env=self.environment, capture_output=True, text=True, timeout=120)

    def script(self, name: str) -> subprocess.CompletedProcess[str]:
        """One of the documented scripts."""
        return self.run("sh", str(SLURM / name))


def test_slurm_job(demo: Demo, tmp_path: Path) -> None:
    """The prolog reserves what --gres asks for, the task finds it, the epilog gives it back."""
    slurm = Slurm(tmp_path, demo, "gres/bfgpu:2")
    assert slurm.script("prolog.sh").returncode == 0
    assert [len(lease["gpus"]) for lease in demo.leases()] == [2]

    export = slurm.script("task-prolog.sh").stdout
    assert export.startswith("export BITFUSION_ALLOCATION=/")
    job = slurm.run("sh", "-c", JOB.format(export=export))
    assert (job.returncode, job.stdout) == (6, "gpus 2\n"), job.stderr

    assert slurm.script("epilog.sh").returncode == 0
    assert demo.leases() == []
    assert list((tmp_path / "state").iterdir()) == []


def test_slurm_job_without_gpus(demo: Demo, tmp_path: Path) -> None:
    """Jobs that ask for none are left alone."""
    slurm = Slurm(tmp_path, demo, "(null)")

    assert [slurm.script(name).returncode for name in ("prolog.sh", "task-prolog.sh", "epilog.sh")] == [0, 0, 0]
    assert slurm.script("task-prolog.sh").stdout == ""


def test_slurm_job_that_finds_the_pool_full(demo: Demo, tmp_path: Path) -> None:
    """It goes back into Slurm's queue; the node is not drained, and nothing stays reserved."""
    held = demo.bitfusion("request_gpus", "-n", "2", "--export").stdout
    slurm = Slurm(tmp_path, demo, "gres:bfgpu:1")
    try:
        assert slurm.script("prolog.sh").returncode == 0
        assert "requeue 4711" in (tmp_path / "scontrol").read_text()
        assert slurm.script("task-prolog.sh").stdout == ""
        assert slurm.script("epilog.sh").returncode == 0
    finally:
        demo.bitfusion("release_gpus", "-f", held.split("=", 1)[1].strip())
    assert demo.leases() == []


def test_shell_with_gpus(demo: Demo) -> None:
    """`bitfusion run -n 1 -- bash`: what is started in it uses the same GPUs."""
    done = subprocess.run(
        [demo.handle.cli, "run", "-n", "1", "--", "bash"],
        check=False,
        env=demo.environment(),
        input="bitfusion() { " + demo.handle.cli + ' "$@"; }\nbitfusion client -- sh -c \'grep ^gpus "$BITFUSION_ALLOCATION"\'\nexit 9\n',
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (done.returncode, done.stdout) == (9, "gpus 1\n")
    assert demo.leases() == []


def test_container_specification(demo: Demo, tmp_path: Path) -> None:
    """It names files that exist, and a program that is given exactly its environment finds the GPUs; the key is not in it."""
    file = demo.bitfusion("request_gpus", "-n", "1", "--export").stdout.split("=", 1)[1].strip()
    try:
        target = tmp_path / "cdi" / "bitfusion.json"
        assert demo.bitfusion("cdi", "-f", file, "--output", str(target)).returncode == 0
        text = target.read_text()
    finally:
        demo.bitfusion("release_gpus", "-f", file)

    document = json.loads(text)
    (device,) = document["devices"]
    mounts = {mount["containerPath"]: mount["hostPath"] for mount in device["containerEdits"]["mounts"]}
    assert (document["kind"], device["name"]) == ("bitfusion.io/gpu", "all")
    assert mounts["/run/bitfusion/allocation"] == file
    assert Path(mounts["/usr/lib/bitfusion/lib"], "libcuda.so.1").exists()
    assert device["containerEdits"]["env"] == ["LD_LIBRARY_PATH=/usr/lib/bitfusion/lib", "BITFUSION_ALLOCATION=/run/bitfusion/allocation"]
    assert "key" not in text


def test_container_without_a_reservation(demo: Demo) -> None:
    """Without reserved GPUs there is nothing to describe."""
    assert demo.bitfusion("cdi", "-f", "/nonexistent").returncode == 2
