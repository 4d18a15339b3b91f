"""Checkpoint calls."""

from __future__ import annotations

from native.spec.model import out, pid, refused, value

_CHECKPOINT = "a process cannot checkpoint another machine's GPU"

ROWS = (
    refused("cuCheckpointProcessGetRestoreThreadId", 12080, _CHECKPOINT, pid("pid"), out("tid", "int")),
    refused("cuCheckpointProcessGetState", 12080, _CHECKPOINT, pid("pid"), out("state", "CUprocessState")),
    refused("cuCheckpointProcessLock", 12080, _CHECKPOINT, pid("pid"), out("args", "CUcheckpointLockArgs")),
    refused("cuCheckpointProcessCheckpoint", 12080, _CHECKPOINT, pid("pid"), out("args", "CUcheckpointCheckpointArgs")),
    refused("cuCheckpointProcessRestore", 12080, _CHECKPOINT, pid("pid"), out("args", "CUcheckpointRestoreArgs")),
    refused("cuCheckpointOperationComplete", 13040, _CHECKPOINT, value("handle", "CUcheckpointOperationHandle")),
    refused("cuCheckpointProcessUnlock", 12080, _CHECKPOINT, pid("pid"), out("args", "CUcheckpointUnlockArgs")),
)
