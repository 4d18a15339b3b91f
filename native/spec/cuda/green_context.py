"""Green contexts: parts of a device's processors."""

from __future__ import annotations

from native.spec.model import (
    CONTEXT,
    EVENT,
    GREEN_CONTEXT,
    RESOURCE_DESCRIPTION,
    STREAM,
    CallClass,
    Run,
    Scope,
    array_in,
    array_out,
    call,
    drop,
    found,
    handle,
    inout,
    mint,
    opaque,
    out,
    struct_in,
    value,
)

SYNC = CallClass.SYNC

_GREEN = handle("hCtx", GREEN_CONTEXT)
_RESOURCE = (out("resource", "CUdevResource"), value("type", "CUdevResourceType"))
_INPUT = struct_in("input", "CUdevResource")
_REMAINDER = out("remainder", "CUdevResource", nullable=True)

ROWS = (
    call("cuDeviceGetDevResource", 12040, SYNC, value("device", "CUdevice"), *_RESOURCE, scope=Scope.INIT),
    call("cuCtxGetDevResource", 12040, SYNC, handle("hCtx", CONTEXT), *_RESOURCE, scope=Scope.INIT),
    call("cuGreenCtxGetDevResource", 12040, SYNC, _GREEN, *_RESOURCE, scope=Scope.INIT),
    call("cuStreamGetDevResource", 13010, SYNC, handle("hStream", STREAM), *_RESOURCE, per_thread="ptsz@13010"),
    call(
        "cuDevSmResourceSplitByCount",
        12040,
        SYNC,
        array_out("result", "CUdevResource", "*nbGroups", nullable=True),
        inout("nbGroups", "unsigned int"),
        _INPUT,
        _REMAINDER,
        value("flags", "unsigned int"),
        value("minCount", "unsigned int"),
        scope=Scope.INIT,
    ),
    call(
        "cuDevSmResourceSplit",
        13010,
        SYNC,
        array_out("result", "CUdevResource", "nbGroups", nullable=True),
        value("nbGroups", "unsigned int"),
        _INPUT,
        _REMAINDER,
        value("flags", "unsigned int"),
        opaque("groupParams", "CU_DEV_SM_RESOURCE_GROUP_PARAMS *"),
        scope=Scope.INIT,
        via="SmResourceSplit",
    ),
    call(
        "cuDevResourceGenerateDesc",
        12040,
        SYNC,
        mint("phDesc", RESOURCE_DESCRIPTION),
        array_in("resources", "CUdevResource", "nbResources", ctype="CUdevResource *"),
        value("nbResources", "unsigned int"),
        scope=Scope.INIT,
    ),
    call(
        "cuGreenCtxCreate",
        12040,
        SYNC,
        mint("phCtx", GREEN_CONTEXT),
        handle("desc", RESOURCE_DESCRIPTION),
        value("dev", "CUdevice"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
        run=Run.BLOCKING,
    ),
    call("cuGreenCtxDestroy", 12040, SYNC, drop("hCtx", GREEN_CONTEXT), scope=Scope.INIT, run=Run.BLOCKING, everything=True),
    call("cuCtxFromGreenCtx", 12040, SYNC, opaque("pContext", "CUcontext *"), _GREEN, scope=Scope.INIT, via="GreenContext"),
    call("cuGreenCtxRecordEvent", 12040, SYNC, _GREEN, handle("hEvent", EVENT), scope=Scope.INIT, everything=True),
    call("cuGreenCtxWaitEvent", 12040, SYNC, _GREEN, handle("hEvent", EVENT), scope=Scope.INIT, everything=True),
    call("cuStreamGetGreenCtx", 12040, SYNC, handle("hStream", STREAM), found("phCtx", GREEN_CONTEXT)),
    call(
        "cuGreenCtxStreamCreate",
        12050,
        SYNC,
        mint("phStream", STREAM),
        handle("greenCtx", GREEN_CONTEXT),
        value("flags", "unsigned int"),
        value("priority", "int"),
        scope=Scope.INIT,
    ),
    call("cuGreenCtxGetId", 12090, SYNC, handle("greenCtx", GREEN_CONTEXT), out("greenCtxId", "unsigned long long"), scope=Scope.INIT),
)
