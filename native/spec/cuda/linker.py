"""The JIT linker: inputs are sent as bytes, the image comes back and is kept in the client until its state is destroyed."""

from __future__ import annotations

from native.spec.model import LINK_STATE, Arg, Call, CallClass, call, handle, opaque, out, path, text_in, value

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

_STATE = handle("state", LINK_STATE)
_TYPE = value("type", "CUjitInputType")
_OPTIONS = (value("numOptions", "unsigned int"), opaque("options", "CUjit_option *"), opaque("optionValues", "void **"))


def _link(name: str, since: int, via: str, *args: Arg) -> Call:
    return call(name, since, SYNC, *args, via=via)


ROWS = (
    _link("cuLinkCreate", 5050, "LinkCreate", *_OPTIONS, opaque("stateOut", "CUlinkState *")),
    _link("cuLinkCreate_v2", 6050, "LinkCreate", *_OPTIONS, opaque("stateOut", "CUlinkState *")),
    *(
        _link(name, since, "LinkAdd", _STATE, _TYPE, opaque("data", "void *"), value("size", "size_t"), text_in("name"), *_OPTIONS)
        for name, since in (("cuLinkAddData", 5050), ("cuLinkAddData_v2", 6050))
    ),
    *(
        _link(name, since, "LinkAdd", _STATE, _TYPE, path("path"), *_OPTIONS)
        for name, since in (("cuLinkAddFile", 5050), ("cuLinkAddFile_v2", 6050))
    ),
    _link("cuLinkComplete", 5050, "LinkComplete", _STATE, opaque("cubinOut", "void **"), out("sizeOut", "size_t")),
    call("cuLinkDestroy", 5050, ASYNC, _STATE, via="LinkDestroy"),
)
