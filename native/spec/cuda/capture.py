"""Streams whose work becomes a graph."""

from __future__ import annotations

from native.spec.model import (
    GRAPH,
    GRAPH_NODE,
    STREAM,
    CallClass,
    Hand,
    Scope,
    array_in,
    call,
    code,
    found,
    handle,
    handles_in,
    opaque,
    out,
    refused,
    value,
)

LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_GRAPHICS = "graphics interoperation needs the display's own GPU"
_RECAPTURE = "the driver would call the application's function in the middle of a call"

_STREAM = handle("hStream", STREAM)
_MODE = value("mode", "CUstreamCaptureMode")
_STATUS = (out("captureStatus_out", "CUstreamCaptureStatus"), out("id_out", "cuuint64_t", nullable=True))
_GRAPH = (opaque("graph_out", "CUgraph *"), opaque("dependencies_out", "const CUgraphNode **"))
_COUNT = out("numDependencies_out", "size_t")

ROWS = (
    refused(
        "cuStreamBeginCaptureToCig",
        13010,
        _GRAPHICS,
        _STREAM,
        out("streamCigCaptureParams", "CUstreamCigCaptureParams"),
        per_thread="ptsz@13010",
    ),
    refused("cuStreamEndCaptureToCig", 13010, _GRAPHICS, _STREAM, per_thread="ptsz@13010"),
    call("cuStreamBeginCapture", 10000, SYNC, _STREAM, via="cuStreamBeginCapture_v2", per_thread="ptsz@10000"),
    call("cuStreamBeginCapture_v2", 10010, SYNC, _STREAM, _MODE, hand=Hand.BOTH, per_thread="ptsz@10010"),
    call(
        "cuStreamBeginCaptureToGraph",
        12030,
        SYNC,
        _STREAM,
        handle("hGraph", GRAPH),
        handles_in("dependencies", GRAPH_NODE, "numDependencies"),
        array_in("dependencyData", "CUgraphEdgeData", "numDependencies", required=False),
        value("numDependencies", "size_t"),
        _MODE,
        hand=Hand.BOTH,
        per_thread="ptsz@12030",
    ),
    refused(
        "cuStreamBeginRecaptureToGraph",
        13030,
        _RECAPTURE,
        _STREAM,
        _MODE,
        handle("hGraph", GRAPH),
        code("callbackFunc", "CUgraphRecaptureCallback"),
        opaque("userData", "void *"),
        per_thread="ptsz@13030",
    ),
    call("cuThreadExchangeStreamCaptureMode", 10010, LOCAL, out("mode", "CUstreamCaptureMode"), scope=Scope.INIT),
    call("cuStreamEndCapture", 10000, SYNC, _STREAM, found("phGraph", GRAPH), hand=Hand.CLIENT, per_thread="ptsz@10000"),
    call("cuStreamGetCaptureInfo", 10010, SYNC, _STREAM, *_STATUS, via="CaptureInfo", per_thread="ptsz@10010"),
    call("cuStreamGetCaptureInfo_v2", 11030, SYNC, _STREAM, *_STATUS, *_GRAPH, _COUNT, via="CaptureInfo", per_thread="ptsz@11030"),
    call(
        "cuStreamGetCaptureInfo_v3",
        12030,
        SYNC,
        _STREAM,
        *_STATUS,
        *_GRAPH,
        opaque("edgeData_out", "const CUgraphEdgeData **"),
        _COUNT,
        via="CaptureInfo",
        per_thread="ptsz@12030",
    ),
    call(
        "cuStreamUpdateCaptureDependencies",
        11030,
        SYNC,
        _STREAM,
        handles_in("dependencies", GRAPH_NODE, "numDependencies", ctype="CUgraphNode *"),
        value("numDependencies", "size_t"),
        value("flags", "unsigned int"),
        per_thread="ptsz@11030",
    ),
    call(
        "cuStreamUpdateCaptureDependencies_v2",
        12030,
        SYNC,
        _STREAM,
        handles_in("dependencies", GRAPH_NODE, "numDependencies", ctype="CUgraphNode *"),
        array_in("dependencyData", "CUgraphEdgeData", "numDependencies", required=False),
        value("numDependencies", "size_t"),
        value("flags", "unsigned int"),
        per_thread="ptsz@12030",
    ),
)
