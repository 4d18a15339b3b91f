"""Green context calls."""

from __future__ import annotations

from native.spec.model import CONTEXT, EVENT, GREEN_CONTEXT, STREAM, handle, opaque, out, refused, value

_GREEN = "green contexts are not remoted yet"

ROWS = (
    refused(
        "cuGreenCtxCreate",
        12040,
        _GREEN,
        opaque("phCtx", "CUgreenCtx *"),
        value("desc", "CUdevResourceDesc"),
        value("dev", "CUdevice"),
        value("flags", "unsigned int"),
    ),
    refused("cuGreenCtxDestroy", 12040, _GREEN, handle("hCtx", GREEN_CONTEXT)),
    refused("cuCtxFromGreenCtx", 12040, _GREEN, opaque("pContext", "CUcontext *"), handle("hCtx", GREEN_CONTEXT)),
    refused(
        "cuDeviceGetDevResource",
        12040,
        _GREEN,
        value("device", "CUdevice"),
        out("resource", "CUdevResource"),
        value("type", "CUdevResourceType"),
    ),
    refused(
        "cuCtxGetDevResource", 12040, _GREEN, handle("hCtx", CONTEXT), out("resource", "CUdevResource"), value("type", "CUdevResourceType")
    ),
    refused(
        "cuGreenCtxGetDevResource",
        12040,
        _GREEN,
        handle("hCtx", GREEN_CONTEXT),
        out("resource", "CUdevResource"),
        value("type", "CUdevResourceType"),
    ),
    refused(
        "cuDevSmResourceSplitByCount",
        12040,
        _GREEN,
        out("result", "CUdevResource"),
        out("nbGroups", "unsigned int"),
        opaque("input", "const CUdevResource *"),
        out("remainder", "CUdevResource"),
        value("flags", "unsigned int"),
        value("minCount", "unsigned int"),
    ),
    refused(
        "cuDevSmResourceSplit",
        13010,
        _GREEN,
        out("result", "CUdevResource"),
        value("nbGroups", "unsigned int"),
        opaque("input", "const CUdevResource *"),
        out("remainder", "CUdevResource"),
        value("flags", "unsigned int"),
        out("groupParams", "CU_DEV_SM_RESOURCE_GROUP_PARAMS"),
    ),
    refused(
        "cuDevResourceGenerateDesc",
        12040,
        _GREEN,
        out("phDesc", "CUdevResourceDesc"),
        out("resources", "CUdevResource"),
        value("nbResources", "unsigned int"),
    ),
    refused("cuGreenCtxRecordEvent", 12040, _GREEN, handle("hCtx", GREEN_CONTEXT), handle("hEvent", EVENT)),
    refused("cuGreenCtxWaitEvent", 12040, _GREEN, handle("hCtx", GREEN_CONTEXT), handle("hEvent", EVENT)),
    refused("cuStreamGetGreenCtx", 12040, _GREEN, handle("hStream", STREAM), opaque("phCtx", "CUgreenCtx *")),
    refused(
        "cuGreenCtxStreamCreate",
        12050,
        _GREEN,
        opaque("phStream", "CUstream *"),
        handle("greenCtx", GREEN_CONTEXT),
        value("flags", "unsigned int"),
        value("priority", "int"),
    ),
    refused("cuGreenCtxGetId", 12090, _GREEN, handle("greenCtx", GREEN_CONTEXT), out("greenCtxId", "unsigned long long")),
    refused(
        "cuStreamGetDevResource",
        13010,
        _GREEN,
        handle("hStream", STREAM),
        out("resource", "CUdevResource"),
        value("type", "CUdevResourceType"),
        per_thread="ptsz@13010",
    ),
)
