"""Linker calls."""

from __future__ import annotations

from native.spec.model import LINK_STATE, handle, opaque, out, path, refused, text_in, value

_LINKER = "the linker is not remoted yet"

ROWS = (
    refused("cuLinkComplete", 5050, _LINKER, handle("state", LINK_STATE), opaque("cubinOut", "void **"), out("sizeOut", "size_t")),
    refused("cuLinkDestroy", 5050, _LINKER, handle("state", LINK_STATE)),
    refused(
        "cuLinkCreate",
        5050,
        _LINKER,
        value("numOptions", "unsigned int"),
        out("options", "CUjit_option"),
        opaque("optionValues", "void **"),
        opaque("stateOut", "CUlinkState *"),
    ),
    refused(
        "cuLinkCreate_v2",
        6050,
        _LINKER,
        value("numOptions", "unsigned int"),
        out("options", "CUjit_option"),
        opaque("optionValues", "void **"),
        opaque("stateOut", "CUlinkState *"),
    ),
    refused(
        "cuLinkAddData",
        5050,
        _LINKER,
        handle("state", LINK_STATE),
        value("type", "CUjitInputType"),
        opaque("data", "void *"),
        value("size", "size_t"),
        text_in("name"),
        value("numOptions", "unsigned int"),
        out("options", "CUjit_option"),
        opaque("optionValues", "void **"),
    ),
    refused(
        "cuLinkAddData_v2",
        6050,
        _LINKER,
        handle("state", LINK_STATE),
        value("type", "CUjitInputType"),
        opaque("data", "void *"),
        value("size", "size_t"),
        text_in("name"),
        value("numOptions", "unsigned int"),
        out("options", "CUjit_option"),
        opaque("optionValues", "void **"),
    ),
    refused(
        "cuLinkAddFile",
        5050,
        _LINKER,
        handle("state", LINK_STATE),
        value("type", "CUjitInputType"),
        path("path"),
        value("numOptions", "unsigned int"),
        out("options", "CUjit_option"),
        opaque("optionValues", "void **"),
    ),
    refused(
        "cuLinkAddFile_v2",
        6050,
        _LINKER,
        handle("state", LINK_STATE),
        value("type", "CUjitInputType"),
        path("path"),
        value("numOptions", "unsigned int"),
        out("options", "CUjit_option"),
        opaque("optionValues", "void **"),
    ),
)
