"""Types of a spec row: what one driver entry point looks like and how it is served.

Invariant: a row says everything the generator needs. Argument kinds in NEVER_FORWARDED name things that mean nothing on another machine
(paths, pids, descriptors, code and host pointers); a row that would forward one is rejected when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Api(Enum):
    """Whose entry point a row is. The value is the name of the driver's function table in generated code."""

    CUDA = "cuda"
    NVML = "nvml"
    PRODUCT = "product"  # operations between our two ends that no header declares


class CallClass(Enum):
    """How the client serves a call (design: call classes)."""

    LOCAL = "local"  # answered in the client
    ASYNC = "async"  # sent, the client does not wait; an error is latched
    SYNC = "sync"  # sent, the client waits for the answer
    REFUSED = "refused"  # answers "not supported" and is logged once, by name


class Run(Enum):
    """How the worker's executor runs a call; the values are enumerators of worker::CallClass in executor.h."""

    NOW = "kNow"
    WORK = "kWork"
    QUERY = "kQuery"
    BLOCKING = "kBlocking"
    WAIT_STREAM = "kWaitStream"
    WAIT_EVENT = "kWaitEvent"
    WAIT_CONTEXT = "kWaitContext"


class Scope(Enum):
    """What must hold in the calling thread before the call is served."""

    ANY = "any"  # may come before cuInit
    INIT = "init"  # after cuInit
    CONTEXT = "context"  # with a current context


class Hand(Enum):
    """Which side of a call is written by hand instead of generated."""

    NONE = "none"
    CLIENT = "client"  # native/src/interposer defines api::NAME; it may use remote::NAME, which is generated
    WORKER = "worker"  # native/src/worker/handlers defines calls::NAME with decoded arguments
    BOTH = "both"


class Kind(Enum):
    """What an argument is, on the wire and for the checks of both ends."""

    VALUE = "value"  # scalar, enumeration or plain structure, by value
    DEVICE_POINTER = "device pointer"  # an address of the server's GPU
    HANDLE = "handle"  # an object of ours, named by what the client minted
    DROP = "drop"  # a handle whose object ends with this call
    MINT = "mint"  # where the handle of a new object goes; the client chooses it
    FOUND = "found"  # where the handle of an object goes that may be known already; the client offers one for the case that it is not
    OUT = "out"  # one plain value, filled by the server
    INOUT = "in and out"  # one plain structure, by address, that the server changes
    IN = "in"  # one plain structure, by address
    IN_ARRAY = "in array"
    OUT_ARRAY = "out array"
    IN_HANDLES = "in handles"
    IN_TEXT = "in text"  # zero-terminated
    IN_BYTES = "in bytes"  # in product rows: a span
    OUT_BYTES = "out bytes"  # in product rows: a reply of any length
    BULK = "bulk"  # in product rows: bytes that travel on the bulk connection
    OUT_TEXT = "out text"  # NVML: a buffer for a zero-terminated string and, as the next argument, its length
    OUT_LIST = "out list"  # NVML: `count` holds the room before the call and the length after it
    VERSIONED = "versioned"  # NVML: a structure that begins with its version and size; the caller sets that word, the server the rest
    VERSIONED_INOUT = "versioned in and out"  # the same, and the caller asks with more of its fields
    OPAQUE = "opaque"  # not described yet or too tangled: served by hand or refused
    PATH = "path"
    PID = "pid"
    FD = "file descriptor"
    CODE = "code pointer"
    HOST = "host pointer"


NEVER_FORWARDED = frozenset({Kind.OPAQUE, Kind.PATH, Kind.PID, Kind.FD, Kind.CODE, Kind.HOST})


@dataclass(frozen=True)
class HandleKind:
    """A kind of object. `tag` is part of every handle; `invalid` is the error for a handle that is none of ours."""

    name: str  # enumerator of interposer::Handle
    ctype: str
    tag: int
    invalid: str = "CUDA_ERROR_INVALID_HANDLE"
    in_context: bool = True  # ends with the context it was made in; unless its row says what owns it


CONTEXT = HandleKind("kContext", "CUcontext", 1, "CUDA_ERROR_INVALID_CONTEXT")
MODULE = HandleKind("kModule", "CUmodule", 2)
FUNCTION = HandleKind("kFunction", "CUfunction", 3)
LIBRARY = HandleKind("kLibrary", "CUlibrary", 4)
KERNEL = HandleKind("kKernel", "CUkernel", 5)
STREAM = HandleKind("kStream", "CUstream", 6)
EVENT = HandleKind("kEvent", "CUevent", 7)
POOL = HandleKind("kPool", "CUmemoryPool", 8, "CUDA_ERROR_INVALID_VALUE", in_context=False)
GRAPH = HandleKind("kGraph", "CUgraph", 9, "CUDA_ERROR_INVALID_VALUE", in_context=False)
GRAPH_NODE = HandleKind("kGraphNode", "CUgraphNode", 10, "CUDA_ERROR_INVALID_VALUE", in_context=False)
GRAPH_EXEC = HandleKind("kGraphExec", "CUgraphExec", 11, "CUDA_ERROR_INVALID_VALUE", in_context=False)
ARRAY = HandleKind("kArray", "CUarray", 12)
MIPMAPPED_ARRAY = HandleKind("kMipmappedArray", "CUmipmappedArray", 13)
TEXTURE_REFERENCE = HandleKind("kTextureReference", "CUtexref", 14)
SURFACE_REFERENCE = HandleKind("kSurfaceReference", "CUsurfref", 15)
TEXTURE = HandleKind("kTexture", "CUtexObject", 16, "CUDA_ERROR_INVALID_VALUE")
SURFACE = HandleKind("kSurface", "CUsurfObject", 17, "CUDA_ERROR_INVALID_VALUE")
MEMORY = HandleKind("kMemory", "CUmemGenericAllocationHandle", 18, "CUDA_ERROR_INVALID_VALUE", in_context=False)
LINK_STATE = HandleKind("kLinkState", "CUlinkState", 19)
GRAPHICS_RESOURCE = HandleKind("kGraphicsResource", "CUgraphicsResource", 20)
EXTERNAL_MEMORY = HandleKind("kExternalMemory", "CUexternalMemory", 21)
EXTERNAL_SEMAPHORE = HandleKind("kExternalSemaphore", "CUexternalSemaphore", 22)
USER_OBJECT = HandleKind("kUserObject", "CUuserObject", 23, "CUDA_ERROR_INVALID_VALUE", in_context=False)
GREEN_CONTEXT = HandleKind("kGreenContext", "CUgreenCtx", 24, "CUDA_ERROR_INVALID_CONTEXT", in_context=False)
RESOURCE_DESCRIPTION = HandleKind("kResourceDescription", "CUdevResourceDesc", 25, "CUDA_ERROR_INVALID_VALUE", in_context=False)

HANDLE_KINDS = (
    CONTEXT, MODULE, FUNCTION, LIBRARY, KERNEL, STREAM, EVENT, POOL, GRAPH, GRAPH_NODE, GRAPH_EXEC, ARRAY, MIPMAPPED_ARRAY,
    TEXTURE_REFERENCE, SURFACE_REFERENCE, TEXTURE, SURFACE, MEMORY, LINK_STATE, GRAPHICS_RESOURCE, EXTERNAL_MEMORY, EXTERNAL_SEMAPHORE,
    USER_OBJECT, GREEN_CONTEXT, RESOURCE_DESCRIPTION,
)  # fmt: skip


@dataclass(frozen=True)
class Arg:
    """One argument. `ctype` is the parameter's type as the header has it; `element` the type behind a pointer."""

    name: str
    kind: Kind
    ctype: str
    element: str = ""
    handle: HandleKind | None = None
    count: str = ""  # arrays: C expression of the number of elements, over the other arguments
    nullable: bool = False
    extent: str = ""  # device pointers: C++ expression of the bytes behind it that the call touches, over the other arguments
    required: bool = True  # input arrays: must be there when the count is not zero
    owner: str = ""  # new objects: the argument whose object they end with


def value(name: str, ctype: str) -> Arg:
    """A scalar, enumeration or plain structure, by value."""
    return Arg(name, Kind.VALUE, ctype, ctype)


def device_pointer(name: str, ctype: str = "CUdeviceptr", extent: str = "") -> Arg:
    """An address on the server's GPU. With `extent` the worker sees that the call stays within the session's memory.

    One that touches nothing succeeds without the driver, whatever its other numbers are.
    """
    return Arg(name, Kind.DEVICE_POINTER, ctype, "CUdeviceptr", extent=extent)


def handle(name: str, kind: HandleKind, nullable: bool = False) -> Arg:
    """An object; with `nullable`, none is allowed (streams are always: 0 is the default stream)."""
    return Arg(name, Kind.HANDLE, kind.ctype, kind.ctype, kind, nullable=nullable or kind is STREAM)


def drop(name: str, kind: HandleKind) -> Arg:
    """An object that ends with this call."""
    return Arg(name, Kind.DROP, kind.ctype, kind.ctype, kind)


def mint(name: str, kind: HandleKind, owner: str = "") -> Arg:
    """Where the handle of the new object goes."""
    return Arg(name, Kind.MINT, f"{kind.ctype} *", kind.ctype, kind, owner=owner)


def found(name: str, kind: HandleKind, owner: str = "", nullable: bool = False) -> Arg:
    """Where the handle of an object goes that may be known already."""
    return Arg(name, Kind.FOUND, f"{kind.ctype} *", kind.ctype, kind, nullable=nullable, owner=owner)


def out(name: str, element: str, nullable: bool = False) -> Arg:
    """One plain value filled by the server."""
    return Arg(name, Kind.OUT, f"{element} *", element, nullable=nullable)


def inout(name: str, element: str, nullable: bool = False) -> Arg:
    """One plain structure given by address that the server changes."""
    return Arg(name, Kind.INOUT, f"{element} *", element, nullable=nullable)


def struct_in(name: str, element: str, nullable: bool = False, ctype: str = "") -> Arg:
    """One plain structure given by address."""
    return Arg(name, Kind.IN, ctype or f"const {element} *", element, nullable=nullable)


def array_in(name: str, element: str, count: str, ctype: str = "", required: bool = True) -> Arg:
    """`count` plain elements given by address."""
    return Arg(name, Kind.IN_ARRAY, ctype or f"const {element} *", element, count=count, nullable=True, required=required)


def array_out(name: str, element: str, count: str, nullable: bool = False) -> Arg:
    """`count` plain elements filled by the server."""
    return Arg(name, Kind.OUT_ARRAY, f"{element} *", element, count=count, nullable=nullable)


def handles_in(name: str, kind: HandleKind, count: str, ctype: str = "") -> Arg:
    """`count` objects given by address."""
    return Arg(name, Kind.IN_HANDLES, ctype or f"const {kind.ctype} *", kind.ctype, kind, count=count, nullable=True)


def text_in(name: str) -> Arg:
    """A zero-terminated string."""
    return Arg(name, Kind.IN_TEXT, "const char *", "char")


def bytes_in(name: str) -> Arg:
    """Bytes, in product rows."""
    return Arg(name, Kind.IN_BYTES, "wire::Bytes", "std::byte")


def bytes_out(name: str) -> Arg:
    """A reply of any length, in product rows; must be the last argument."""
    return Arg(name, Kind.OUT_BYTES, "transport::Reply &", "std::byte")


def bulk(name: str) -> Arg:
    """Bytes on the bulk connection, in product rows."""
    return Arg(name, Kind.BULK, "wire::Bytes", "std::byte")


def opaque(name: str, ctype: str) -> Arg:
    """An argument that is not described; only rows answered by hand or refused may have it."""
    return Arg(name, Kind.OPAQUE, ctype)


def path(name: str) -> Arg:
    """A file name of the client's machine."""
    return Arg(name, Kind.PATH, "const char *")


def pid(name: str) -> Arg:
    """A process of the client's machine."""
    return Arg(name, Kind.PID, "int")


def fd(name: str, ctype: str) -> Arg:
    """A file descriptor of the client's process, or something that holds one."""
    return Arg(name, Kind.FD, ctype)


def code(name: str, ctype: str) -> Arg:
    """A function of the client's process."""
    return Arg(name, Kind.CODE, ctype)


def host(name: str, ctype: str) -> Arg:
    """An address in the client's process."""
    return Arg(name, Kind.HOST, ctype)


@dataclass(frozen=True)
class Call:
    """One entry point."""

    name: str  # the ELF symbol
    since: int  # CUDA version that introduced it, as cuGetProcAddress counts
    call_class: CallClass
    args: tuple[Arg, ...]
    api: Api = Api.CUDA
    hand: Hand = Hand.NONE
    run: Run = Run.NOW
    scope: Scope = Scope.CONTEXT
    per_thread: str = ""  # "ptsz" or "ptds": suffix of the variant for the per-thread default stream
    per_thread_since: int = 0
    reason: str = ""  # why it is refused
    area: str = ""  # the file it is in, filled by the registry
    result: str = ""  # result type, when not the API's own
    after_work: bool = False  # takes away or changes what earlier work of its context may use: served after it, where that is still held
    via: str = ""  # remote, but by way of this other row or of the link's copies: written by hand in the client
    everything: bool = False  # works on the context as a whole: ordered after and before all other frames

    def __post_init__(self) -> None:
        if self.call_class is CallClass.REFUSED and not self.reason:
            raise ValueError(f"{self.name}: a refused call needs a reason")
        if self.forwarded:
            bad = [a.name for a in self.args if a.kind in NEVER_FORWARDED]
            if bad:
                raise ValueError(f"{self.name}: {', '.join(bad)} cannot be forwarded; serve the call by hand or refuse it")

    @property
    def remote(self) -> bool:
        """Whether serving the call may need the server."""
        return self.call_class in (CallClass.ASYNC, CallClass.SYNC)

    @property
    def forwarded(self) -> bool:
        """Whether the call is a frame of its own. NVML's questions travel together in a product row (nvml_model.py)."""
        return self.remote and not self.via and self.api is not Api.NVML

    @property
    def travels(self) -> bool:
        """Whether the wire names the call by its number, in a frame of its own or inside one."""
        return self.forwarded or (self.api is Api.NVML and self.remote)

    @property
    def exported(self) -> bool:
        """Whether the call is a symbol of the library."""
        return self.api is not Api.PRODUCT

    @property
    def symbols(self) -> tuple[str, ...]:
        """All ELF symbols of the row."""
        return (self.name, f"{self.name}_{self.per_thread}") if self.per_thread else (self.name,)


def call(
    name: str,
    since: int,
    call_class: CallClass,
    *args: Arg,
    hand: Hand = Hand.NONE,
    run: Run = Run.NOW,
    scope: Scope = Scope.CONTEXT,
    per_thread: str = "",
    api: Api = Api.CUDA,
    result: str = "",
    after_work: bool = False,
    via: str = "",
    everything: bool = False,
) -> Call:
    """A row. `per_thread` is written "ptsz@7000": suffix and the version that introduced it."""
    suffix, _, version = per_thread.partition("@")
    if call_class is CallClass.LOCAL or via:
        hand = Hand.CLIENT
    return Call(
        name,
        since,
        call_class,
        args,
        api,
        hand,
        run,
        scope,
        suffix,
        int(version or 0),
        result=result,
        after_work=after_work,
        via=via,
        everything=everything,
    )


def product(name: str, call_class: CallClass, *args: Arg, run: Run = Run.NOW, everything: bool = False, after_work: bool = False) -> Call:
    """A row between our two ends; its worker side is always written by hand."""
    return Call(name, 0, call_class, args, Api.PRODUCT, Hand.WORKER, run, Scope.INIT, everything=everything, after_work=after_work)


def refused(name: str, since: int, reason: str, *args: Arg, per_thread: str = "", api: Api = Api.CUDA, result: str = "") -> Call:
    """A row that answers "not supported"."""
    suffix, _, version = per_thread.partition("@")
    return Call(
        name, since, CallClass.REFUSED, args, api, scope=Scope.ANY, per_thread=suffix, per_thread_since=int(version or 0),
        reason=reason, result=result,
    )  # fmt: skip


def in_area(area: str, rows: tuple[Call, ...]) -> tuple[Call, ...]:
    """The rows with their area filled in."""
    return tuple(replace(row, area=area) for row in rows)
