"""Arrays, mipmapped arrays, textures and surfaces. Each function runs in a process of its own on one GPU of 1 GiB."""

from __future__ import annotations

import math
import struct
from ctypes import byref, c_int, c_size_t, c_uint, c_uint64, c_void_p

from tests.native.simgpu.driver import INVALID_HANDLE, INVALID_VALUE
from tests.native.simgpu.texture_calls import (
    BORDER,
    CLAMP,
    CUBEMAP,
    FLOAT,
    LAYERED,
    MIRROR,
    SURFACE,
    UINT8,
    WRAP,
    Textures,
    array_descriptor,
    blend_2d,
    texture_description,
)

PLACES = [(-1.3, 0.2), (0.5, 0.5), (1.25, 2.75), (3.9, 0.1), (7.4, 4.49), (9.2, -3.6), (2.0, 5.5)]


def point_and_linear_filtering_in_two_dimensions() -> None:
    """Every address mode, with and without filtering, against the formulas of the programming guide."""
    driver = Textures()
    width, height = 8, 5
    texels = [[float(x * x + 10 * y) for x in range(width)] for y in range(height)]
    array = driver.array(array_descriptor(width, height), struct.pack(f"<{width * height}f", *(v for row in texels for v in row)))
    for linear in (False, True):
        for mode, normalized in ((CLAMP, False), (BORDER, False), (WRAP, True), (MIRROR, True), (CLAMP, True)):
            texture = driver.texture(array, texture_description(mode, linear=linear, normalized=normalized, border=(77.0, 0, 0, 0)))
            scale = (1 / width, 1 / height) if normalized else (1.0, 1.0)
            asked = [(x * scale[0], y * scale[1]) for x, y in PLACES]
            got = driver.fetch(texture, "tex.2d.v4.f32.f32", asked)
            for place, value in zip(PLACES, got, strict=True):
                expected = blend_2d(texels, place, mode, linear, 77.0)
                assert math.isclose(value[0], expected, rel_tol=1e-3, abs_tol=0.15 if linear else 1e-6), (mode, linear, place, value)


def texels_become_floats_or_integers() -> None:
    """8-bit channels are read as fractions, or as integers when asked."""
    driver = Textures()
    array = driver.array(array_descriptor(4, 0, form=UINT8, channels=4), bytes(range(0, 160, 10)))
    fractions = driver.fetch(driver.texture(array, texture_description(CLAMP)), "tex.1d.v4.f32.f32", [(1.5,)])
    integers = driver.fetch(driver.texture(array, texture_description(CLAMP, flags=1)), "tex.1d.v4.u32.f32", [(1.5,)], code="I")
    assert integers == [(40, 50, 60, 70)]
    assert all(math.isclose(a, b / 255, rel_tol=1e-6) for a, b in zip(fractions[0], integers[0], strict=True))


def linear_memory_is_fetched_by_number() -> None:
    """tex1Dfetch of plain memory; what lies outside is zero."""
    driver = Textures()
    memory = driver.allocate(64)
    driver.upload(memory, struct.pack("<16f", *range(16)))
    texture = driver.linear_texture(memory, 64)
    got = driver.fetch(texture, "tex.1d.v4.f32.s32", [(3,), (15,), (16,), (-1,)], integers=True)
    assert [value[0] for value in got] == [3, 15, 0, 0]


def layers_volumes_and_cubes() -> None:
    """Layered arrays take the layer first, volumes three coordinates, cubes a direction."""
    driver = Textures()
    layered = driver.array(array_descriptor(2, 2, 3, LAYERED), struct.pack("<12f", *range(12)))
    texture = driver.texture(layered, texture_description(CLAMP))
    got = driver.fetch(texture, "tex.a2d.v4.f32.f32", [(0, 1.5, 0.5), (2, 0.5, 1.5), (9, 1.5, 1.5)], layered=True)
    assert [value[0] for value in got] == [1, 10, 11]

    volume = driver.array(array_descriptor(2, 2, 2), struct.pack("<8f", *range(8)))
    smooth = driver.texture(volume, texture_description(CLAMP, linear=True))
    assert driver.fetch(smooth, "tex.3d.v4.f32.f32", [(1.0, 1.0, 1.0)])[0][0] == 3.5

    cube = driver.array(array_descriptor(1, 1, 6, CUBEMAP), struct.pack("<6f", *range(6)))
    faces = driver.texture(cube, texture_description(CLAMP, normalized=True))
    directions = [(1, 0, 0), (-1, 0.5, 0), (0, 1, 0.5), (0.1, -1, 0), (0, 0, 1), (0.5, 0, -1)]
    assert [value[0] for value in driver.fetch(faces, "tex.cube.v4.f32.f32", directions)] == [0, 1, 2, 3, 4, 5]


def levels_of_mipmaps() -> None:
    """A level is chosen, clamped, or blended with the next; each is an array of half the size."""
    driver = Textures()
    descriptor = array_descriptor(8, 8)
    mipmap = driver.handle("cuMipmappedArrayCreate", descriptor, c_uint(9))
    for level in range(4):
        array = c_void_p()
        driver.call("cuMipmappedArrayGetLevel", byref(array), mipmap, c_uint(level))
        size = 8 >> level
        driver.fill_array(array, size, size, struct.pack(f"<{size * size}f", *[float(level)] * (size * size)))
    assert driver.error("cuMipmappedArrayGetLevel", byref(c_void_p()), mipmap, c_uint(4)) == INVALID_VALUE
    assert driver.error("cuArrayDestroy", array) == INVALID_HANDLE
    texture = driver.texture(mipmap, texture_description(CLAMP, normalized=True, linear_levels=True, levels=(0, 2.5)), kind=1)
    got = driver.fetch(texture, "tex.level.2d.v4.f32.f32", [(0.5, 0.5)], extra=[(0.0,), (1.0,), (1.5,), (3.0,)])
    assert [value[0] for value in got] == [0, 1, 1.5, 2.5]
    driver.call("cuTexObjectDestroy", texture)
    driver.call("cuMipmappedArrayDestroy", mipmap)
    assert driver.error("cuMipmappedArrayDestroy", mipmap) == INVALID_HANDLE


def gathering() -> None:
    """tld4 answers one component of the four texels that would be blended."""
    driver = Textures()
    array = driver.array(array_descriptor(2, 2), struct.pack("<4f", 1, 2, 3, 4))
    texture = driver.texture(array, texture_description(CLAMP))
    assert driver.fetch(texture, "tld4.r.2d.v4.f32.f32", [(1.0, 1.0)]) == [(3, 4, 2, 1)]


def surfaces_are_read_and_written() -> None:
    """A surface is addressed in bytes; what lies outside is dropped, clamped or a fault, as the instruction says."""
    driver = Textures()
    array = driver.array(array_descriptor(4, 2, 0, SURFACE), bytes(32))
    surface = driver.surface(array)
    driver.run_surface_kernel(surface)
    assert driver.read_array(array, 4, 2) == struct.pack("<8I", 0, 5, 0, 0, 0, 0, 0, 6)
    plain = driver.array(array_descriptor(4, 2), bytes(32))
    assert driver.surface_error(plain) == INVALID_VALUE
    driver.call("cuSurfObjectDestroy", surface)


def pitched_memory_and_queries() -> None:
    """A plane of pitched memory is a texture too, and says how large it is."""
    driver = Textures()
    address, pitch = c_uint64(), c_size_t()
    driver.call("cuMemAllocPitch_v2", byref(address), byref(pitch), c_size_t(12), c_size_t(2), c_uint(4))
    driver.upload(address.value + pitch.value, struct.pack("<3f", 7, 8, 9))
    texture = driver.pitched_texture(address.value, 3, 2, pitch.value)
    assert driver.fetch(texture, "tex.2d.v4.f32.f32", [(2.5, 1.5)])[0][0] == 9
    assert driver.query(texture) == (3, 2)


def wrong_descriptions_are_refused() -> None:
    """Impossible shapes, unknown formats, foreign handles and reads past the end of an array."""
    driver = Textures()
    for bad in (
        array_descriptor(0, 4),
        array_descriptor(4, 4, form=0x77),
        array_descriptor(4, 4, channels=3),
        array_descriptor(4, 3, 6, CUBEMAP),
        array_descriptor(4, 0, 0, LAYERED),
    ):
        assert driver.error("cuArray3DCreate_v2", byref(c_void_p()), bad) == INVALID_VALUE
    array = driver.array(array_descriptor(4, 4), bytes(64))
    assert driver.copy_error(array, 20, 1) == INVALID_VALUE
    assert driver.copy_error(array, 16, 5) == INVALID_VALUE
    assert driver.texture_error(array, texture_description(CLAMP, linear=True, flags=1)) == 0
    integers = driver.array(array_descriptor(4, 4, form=UINT8), bytes(16))
    assert driver.texture_error(integers, texture_description(CLAMP, linear=True, flags=1)) == INVALID_VALUE
    driver.call("cuArrayDestroy", array)
    assert driver.texture_error(array, texture_description(CLAMP)) == INVALID_HANDLE
    assert driver.error("cuTexObjectDestroy", c_uint64(12345)) == INVALID_VALUE


def descriptions_are_answered() -> None:
    """What an array and a texture were made from can be asked for again."""
    driver = Textures()
    array = driver.array(array_descriptor(4, 4, form=FLOAT, channels=2), bytes(128))
    out = array_descriptor(0, 0)
    driver.call("cuArray3DGetDescriptor_v2", out, array)
    assert out.raw == array_descriptor(4, 4, form=FLOAT, channels=2).raw
    description = texture_description(WRAP, normalized=True, linear=True)
    texture = driver.texture(array, description)
    asked = texture_description(CLAMP)
    driver.call("cuTexObjectGetTextureDesc", asked, texture)
    assert asked.raw == description.raw
    requirements = (c_uint64 * 4)()
    driver.call("cuArrayGetMemoryRequirements", requirements, array, c_int(0))
    assert requirements[0] >= 128
