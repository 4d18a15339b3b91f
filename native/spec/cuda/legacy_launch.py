"""Legacy launch calls."""

from __future__ import annotations

from native.spec.model import FUNCTION, STREAM, CallClass, Hand, call, handle, opaque, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL

_OTHER = "not remoted yet"

ROWS = (
    call(
        "cuFuncSetBlockShape",
        2000,
        LOCAL,
        handle("hfunc", FUNCTION),
        value("x", "int"),
        value("y", "int"),
        value("z", "int"),
        hand=Hand.CLIENT,
    ),
    call("cuFuncSetSharedSize", 2000, LOCAL, handle("hfunc", FUNCTION), value("bytes", "unsigned int"), hand=Hand.CLIENT),
    call("cuParamSetSize", 2000, LOCAL, handle("hfunc", FUNCTION), value("numbytes", "unsigned int"), hand=Hand.CLIENT),
    call("cuParamSeti", 2000, LOCAL, handle("hfunc", FUNCTION), value("offset", "int"), value("value", "unsigned int"), hand=Hand.CLIENT),
    call("cuParamSetf", 2000, LOCAL, handle("hfunc", FUNCTION), value("offset", "int"), value("value", "float"), hand=Hand.CLIENT),
    call(
        "cuParamSetv",
        2000,
        LOCAL,
        handle("hfunc", FUNCTION),
        value("offset", "int"),
        opaque("ptr", "void *"),
        value("numbytes", "unsigned int"),
        hand=Hand.CLIENT,
    ),
    call("cuLaunch", 2000, ASYNC, handle("f", FUNCTION), via="Launch"),
    call("cuLaunchGrid", 2000, ASYNC, handle("f", FUNCTION), value("grid_width", "int"), value("grid_height", "int"), via="Launch"),
    call(
        "cuLaunchGridAsync",
        2000,
        ASYNC,
        handle("f", FUNCTION),
        value("grid_width", "int"),
        value("grid_height", "int"),
        handle("hStream", STREAM),
        via="Launch",
    ),
)
