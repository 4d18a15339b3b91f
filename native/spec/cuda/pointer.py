"""Pointer calls."""

from __future__ import annotations

from native.spec.model import CallClass, Scope, call, device_pointer, opaque, out, value

LOCAL = CallClass.LOCAL


ROWS = (
    call(
        "cuPointerGetAttribute",
        4000,
        LOCAL,
        opaque("data", "void *"),
        value("attribute", "CUpointer_attribute"),
        device_pointer("ptr"),
        scope=Scope.INIT,
    ),
    call(
        "cuPointerSetAttribute",
        6000,
        LOCAL,
        opaque("value", "const void *"),
        value("attribute", "CUpointer_attribute"),
        device_pointer("ptr"),
        scope=Scope.INIT,
    ),
    call(
        "cuPointerGetAttributes",
        7000,
        LOCAL,
        value("numAttributes", "unsigned int"),
        out("attributes", "CUpointer_attribute"),
        opaque("data", "void **"),
        device_pointer("ptr"),
        scope=Scope.INIT,
    ),
)
