"""LLVM IR functions that instructions share; all are inlined."""

from __future__ import annotations

from native.ptx import abi

SIZES = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4, 32: 5}


def _global_access(size: int, write: bool) -> str:
    """Host pointer behind a generic or global address: inside the arena, aligned, granule allowed; else the slow path decides.

    The offset is rotated right by log2(size), which turns a misaligned offset into a huge one: one comparison checks both.
    """
    shift = SIZES[size]
    right = abi.WRITABLE if write else abi.READABLE
    info = shift | (abi.RESOLVE_WRITE if write else 0)
    return f"""define internal ptr @access_{"w" if write else "r"}{size}(ptr %t, i64 %address, i64 %base, i64 %bytes, ptr %granules) alwaysinline nounwind {{
%offset = sub i64 %address, %base
%turned = call i64 @llvm.fshr.i64(i64 %offset, i64 %offset, i64 {shift})
%limit = lshr i64 %bytes, {shift}
%inside = icmp ult i64 %turned, %limit
br i1 %inside, label %check, label %slow, !prof !1
check:
%granule = lshr i64 %offset, {abi.GRANULE_SHIFT}
%place = getelementptr i8, ptr %granules, i64 %granule
%rights = load i8, ptr %place, !invariant.load !0
%right = and i8 %rights, {right}
%allowed = icmp ne i8 %right, 0
br i1 %allowed, label %fast, label %slow, !prof !1
fast:
%p = inttoptr i64 %address to ptr
ret ptr %p
slow:
%q = call ptr @simgpu_resolve(ptr %t, i64 %address, i32 {info})
ret ptr %q
}}"""


def _shared_access(size: int) -> str:
    shift = SIZES[size]
    return f"""define internal ptr @shared_{size}(ptr %t, i64 %offset, ptr %shared, i32 %bytes) alwaysinline nounwind {{
%turned = call i64 @llvm.fshr.i64(i64 %offset, i64 %offset, i64 {shift})
%limit = lshr i32 %bytes, {shift}
%wide = zext i32 %limit to i64
%inside = icmp ult i64 %turned, %wide
br i1 %inside, label %fast, label %slow, !prof !1
fast:
%p = getelementptr i8, ptr %shared, i64 %offset
ret ptr %p
slow:
%q = call ptr @simgpu_resolve_shared(ptr %t, i64 %offset, i32 {shift})
ret ptr %q
}}"""


def _local_access(size: int) -> str:
    shift = SIZES[size]
    return f"""define internal ptr @local_{size}(ptr %t, i64 %address, i64 %low, i64 %high) alwaysinline nounwind {{
%offset = sub i64 %address, %low
%bytes = sub i64 %high, %low
%turned = call i64 @llvm.fshr.i64(i64 %offset, i64 %offset, i64 {shift})
%limit = lshr i64 %bytes, {shift}
%inside = icmp ult i64 %turned, %limit
br i1 %inside, label %fast, label %slow, !prof !1
fast:
%p = inttoptr i64 %address to ptr
ret ptr %p
slow:
%q = call ptr @simgpu_resolve_local(ptr %t, i64 %address, i32 {shift})
ret ptr %q
}}"""


# Accesses of a run of code through one base register are checked together: the whole span must be allowed. A global span is at most a
# granule long, so its two ends decide.
_SPANS = f"""define internal ptr @span_global(ptr %t, i64 %address, i64 %span, i64 %low, i32 %write, i64 %base, i64 %bytes, ptr %granules) alwaysinline nounwind {{
%offset = sub i64 %address, %base
%room = sub i64 %bytes, %span
%inside = icmp ule i64 %offset, %room
%tail = and i64 %address, %low
%aligned = icmp eq i64 %tail, 0
%plain = and i1 %inside, %aligned
br i1 %plain, label %check, label %slow, !prof !1
check:
%last = add i64 %offset, %span
%end = sub i64 %last, 1
%granule = lshr i64 %offset, {abi.GRANULE_SHIFT}
%granule.end = lshr i64 %end, {abi.GRANULE_SHIFT}
%place = getelementptr i8, ptr %granules, i64 %granule
%place.end = getelementptr i8, ptr %granules, i64 %granule.end
%rights = load i8, ptr %place, !invariant.load !0
%rights.end = load i8, ptr %place.end, !invariant.load !0
%both = and i8 %rights, %rights.end
%right = add i32 %write, 1
%needed = trunc i32 %right to i8
%has = and i8 %both, %needed
%allowed = icmp ne i8 %has, 0
br i1 %allowed, label %fast, label %slow, !prof !1
fast:
%p = inttoptr i64 %address to ptr
ret ptr %p
slow:
%bad = icmp ne i64 %tail, 0
%misaligned = zext i1 %bad to i32
%q = call ptr @simgpu_resolve_span(ptr %t, i64 %address, i64 %span, i32 %misaligned, i32 %write)
ret ptr %q
}}
define internal ptr @span_shared(ptr %t, i64 %offset, i64 %span, i64 %low, ptr %shared, i32 %bytes) alwaysinline nounwind {{
%wide = zext i32 %bytes to i64
%room = sub i64 %wide, %span
%inside = icmp ule i64 %offset, %room
%fits = icmp sge i64 %room, 0
%tail = and i64 %offset, %low
%aligned = icmp eq i64 %tail, 0
%some = and i1 %inside, %aligned
%plain = and i1 %some, %fits
br i1 %plain, label %fast, label %slow, !prof !1
fast:
%p = getelementptr i8, ptr %shared, i64 %offset
ret ptr %p
slow:
%q = call ptr @simgpu_resolve_shared(ptr %t, i64 %offset, i32 5)
ret ptr %q
}}"""

_FLUSH = """define internal float @flush_f32(float %x) alwaysinline nounwind {
%bits = bitcast float %x to i32
%exponent = and i32 %bits, 2139095040
%sign = and i32 %bits, -2147483648
%tiny = icmp eq i32 %exponent, 0
%kept = select i1 %tiny, i32 %sign, i32 %bits
%r = bitcast i32 %kept to float
ret float %r
}
define internal half @flush_f16(half %x) alwaysinline nounwind {
%bits = bitcast half %x to i16
%exponent = and i16 %bits, 31744
%sign = and i16 %bits, -32768
%tiny = icmp eq i16 %exponent, 0
%kept = select i1 %tiny, i16 %sign, i16 %bits
%r = bitcast i16 %kept to half
ret half %r
}"""

_BFLOAT = """define internal float @from_bf16(i16 %x) alwaysinline nounwind {
%wide = zext i16 %x to i32
%high = shl i32 %wide, 16
%r = bitcast i32 %high to float
ret float %r
}
define internal i16 @to_bf16(float %x) alwaysinline nounwind {
%bits = bitcast float %x to i32
%shifted = lshr i32 %bits, 16
%odd = and i32 %shifted, 1
%bias = add i32 %odd, 32767
%rounded = add i32 %bits, %bias
%high = lshr i32 %rounded, 16
%short = trunc i32 %high to i16
%nan = fcmp uno float %x, %x
%r = select i1 %nan, i16 32767, i16 %short
ret i16 %r
}"""

PRELUDE = "\n".join(
    [
        'target triple = "x86_64-unknown-linux"',
        "!0 = !{}",
        '!1 = !{!"branch_weights", i32 10000, i32 1}',
        '!2 = !{!"branch_weights", i32 1, i32 100}',
        "declare i64 @llvm.fshr.i64(i64, i64, i64)",
        "declare ptr @simgpu_resolve(ptr, i64, i32) nounwind cold",
        "declare ptr @simgpu_resolve_span(ptr, i64, i64, i32, i32) nounwind cold",
        "declare ptr @simgpu_resolve_shared(ptr, i64, i32) nounwind cold",
        "declare ptr @simgpu_resolve_local(ptr, i64, i32) nounwind cold",
        *(_global_access(size, write) for size in SIZES for write in (False, True)),
        *(_shared_access(size) for size in SIZES),
        *(_local_access(size) for size in SIZES),
        _SPANS,
        _FLUSH,
        _BFLOAT,
    ]
)
