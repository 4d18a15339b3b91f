"""Capture calls."""

from __future__ import annotations

from native.spec.model import GRAPH, STREAM, CallClass, Hand, Scope, call, handle, mint, opaque, out, refused, value

LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_OTHER = "not remoted yet"

ROWS = (
    refused(
        "cuStreamBeginCaptureToCig",
        13010,
        _OTHER,
        handle("hStream", STREAM),
        out("streamCigCaptureParams", "CUstreamCigCaptureParams"),
        per_thread="ptsz@13010",
    ),
    refused("cuStreamEndCaptureToCig", 13010, _OTHER, handle("hStream", STREAM), per_thread="ptsz@13010"),
    call("cuStreamBeginCapture", 10000, SYNC, handle("hStream", STREAM), via="cuStreamBeginCapture_v2", per_thread="ptsz@10000"),
    call(
        "cuStreamBeginCapture_v2",
        10010,
        SYNC,
        handle("hStream", STREAM),
        value("mode", "CUstreamCaptureMode"),
        hand=Hand.BOTH,
        per_thread="ptsz@10010",
    ),
    call("cuThreadExchangeStreamCaptureMode", 10010, LOCAL, out("mode", "CUstreamCaptureMode"), scope=Scope.INIT),
    call("cuStreamEndCapture", 10000, SYNC, handle("hStream", STREAM), mint("phGraph", GRAPH), hand=Hand.CLIENT, per_thread="ptsz@10000"),
    call(
        "cuStreamGetCaptureInfo",
        10010,
        SYNC,
        handle("hStream", STREAM),
        out("captureStatus_out", "CUstreamCaptureStatus"),
        out("id_out", "cuuint64_t", nullable=True),
        hand=Hand.CLIENT,
        per_thread="ptsz@10010",
    ),
    call(
        "cuStreamGetCaptureInfo_v2",
        11030,
        SYNC,
        handle("hStream", STREAM),
        out("captureStatus_out", "CUstreamCaptureStatus"),
        out("id_out", "cuuint64_t"),
        opaque("graph_out", "CUgraph *"),
        opaque("dependencies_out", "const CUgraphNode **"),
        out("numDependencies_out", "size_t"),
        via="cuStreamGetCaptureInfo",
        per_thread="ptsz@11030",
    ),
    call(
        "cuStreamGetCaptureInfo_v3",
        12030,
        SYNC,
        handle("hStream", STREAM),
        out("captureStatus_out", "CUstreamCaptureStatus"),
        out("id_out", "cuuint64_t"),
        opaque("graph_out", "CUgraph *"),
        opaque("dependencies_out", "const CUgraphNode **"),
        opaque("edgeData_out", "const CUgraphEdgeData **"),
        out("numDependencies_out", "size_t"),
        via="cuStreamGetCaptureInfo",
        per_thread="ptsz@12030",
    ),
    refused(
        "cuStreamUpdateCaptureDependencies",
        11030,
        _OTHER,
        handle("hStream", STREAM),
        opaque("dependencies", "CUgraphNode *"),
        value("numDependencies", "size_t"),
        value("flags", "unsigned int"),
        per_thread="ptsz@11030",
    ),
    refused(
        "cuStreamUpdateCaptureDependencies_v2",
        12030,
        _OTHER,
        handle("hStream", STREAM),
        opaque("dependencies", "CUgraphNode *"),
        opaque("dependencyData", "const CUgraphEdgeData *"),
        value("numDependencies", "size_t"),
        value("flags", "unsigned int"),
        per_thread="ptsz@12030",
    ),
)
