"""Writes streamOptimized VMDK files as ESXi does (Virtual Disk Format 5.0): grains behind markers, tables and directory after them, a footer.

The reader that counts streams the file: the header says that the grain directory is at the end, and the footer is the header with its place.
"""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

SECTOR = 512
GRAIN_SECTORS = 128
GRAIN = GRAIN_SECTORS * SECTOR
_ENTRIES_PER_TABLE = 512
_TABLE_SECTORS = _ENTRIES_PER_TABLE * 4 // SECTOR
_DESCRIPTOR_SECTOR, _DESCRIPTOR_SECTORS = 1, 20
_OVERHEAD_SECTORS = 128
_AT_END = 0xFFFFFFFFFFFFFFFF
_NEW_LINES_VALID, _COMPRESSED, _MARKERS = 1, 1 << 16, 1 << 17
_DEFLATE = 1
_LEVEL = 6
_END_OF_STREAM, _GRAIN_TABLE, _GRAIN_DIRECTORY, _FOOTER = range(4)
_HEADER = struct.Struct("<4sII4QI3QB4sH433x")
_GRAIN_MARKER = struct.Struct("<QI")
_MARKER = struct.Struct("<QII496x")
_SECTORS_PER_CYLINDER = 255 * 63
# How far compression may run ahead of writing.
_WINDOW = 64


@dataclass(frozen=True)
class _Header:
    capacity: int
    directory: int = _AT_END

    def bytes(self) -> bytes:
        flags = _NEW_LINES_VALID | _COMPRESSED | _MARKERS
        places = (_DESCRIPTOR_SECTOR, _DESCRIPTOR_SECTORS, _ENTRIES_PER_TABLE, 0, self.directory, _OVERHEAD_SECTORS)
        return _HEADER.pack(b"KDMV", 3, flags, self.capacity, GRAIN_SECTORS, *places, 0, b"\n \r\n", _DEFLATE)


@dataclass(frozen=True)
class Written:
    """What the OVF says of the file: its size, the disk's, and how much of the disk holds data."""

    size: int
    capacity: int
    populated: int


def write(disk: Path, target: Path, hardware_version: int) -> Written:
    """Turn a raw disk, with holes, into a VMDK file."""
    capacity = disk.stat().st_size
    if capacity % GRAIN:
        raise ValueError(f"{disk}: the size of a disk must be a multiple of {GRAIN} bytes, not {capacity}")
    with disk.open("rb") as source, target.open("wb") as out:
        writer = _Writer(out, _Header(capacity // SECTOR))
        writer.begin(_descriptor(capacity // SECTOR, target.name, hardware_version))
        for grain, data in _compressed(source):
            writer.grain(grain, data)
        writer.finish()
        return Written(out.tell(), capacity, writer.grains * GRAIN)


def _descriptor(sectors: int, name: str, hardware_version: int) -> bytes:
    """The text in the file's beginning. Its identity follows from its content, so that two builds of one thing are the same."""
    content = uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {sectors}").hex
    cylinders = min(sectors // _SECTORS_PER_CYLINDER, 65535)
    text = f"""# Disk DescriptorFile
version=1
CID={content[:8]}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW {sectors} SPARSE "{name}"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.longContentID = "{content}"
ddb.toolsVersion = "2147483647"
ddb.virtualHWVersion = "{hardware_version}"
"""
    return text.encode().ljust(_DESCRIPTOR_SECTORS * SECTOR, b"\0")


class _Writer:
    """Keeps the tables while the file grows."""

    def __init__(self, out: BinaryIO, header: _Header) -> None:
        self._out = out
        self._header = header
        tables = -(-header.capacity // (GRAIN_SECTORS * _ENTRIES_PER_TABLE))
        self._directory = [0] * tables
        self._table = [0] * _ENTRIES_PER_TABLE
        self._table_number: int | None = None
        self.grains = 0

    def begin(self, descriptor: bytes) -> None:
        self._out.write(self._header.bytes() + descriptor)
        self._out.write(bytes(_OVERHEAD_SECTORS * SECTOR - self._out.tell()))

    def grain(self, number: int, data: bytes) -> None:
        """In rising order."""
        table, entry = divmod(number, _ENTRIES_PER_TABLE)
        if table != self._table_number:
            self._end_table()
            self._table_number = table
        self._table[entry] = self._sector()
        self._padded(_GRAIN_MARKER.pack(number * GRAIN_SECTORS, len(data)) + data)
        self.grains += 1

    def finish(self) -> None:
        self._end_table()
        content = struct.pack(f"<{len(self._directory)}I", *self._directory)
        self._marker(_GRAIN_DIRECTORY, -(-len(content) // SECTOR))
        directory = self._sector()
        self._padded(content)
        self._marker(_FOOTER, 1)
        self._out.write(replace(self._header, directory=directory).bytes())
        self._marker(_END_OF_STREAM, 0)

    def _end_table(self) -> None:
        if self._table_number is not None:
            self._marker(_GRAIN_TABLE, _TABLE_SECTORS)
            self._directory[self._table_number] = self._sector()
            self._out.write(struct.pack(f"<{_ENTRIES_PER_TABLE}I", *self._table))
            self._table = [0] * _ENTRIES_PER_TABLE

    def _marker(self, kind: int, sectors: int) -> None:
        self._out.write(_MARKER.pack(sectors, 0, kind))

    def _padded(self, content: bytes) -> None:
        self._out.write(content + bytes(-len(content) % SECTOR))

    def _sector(self) -> int:
        return self._out.tell() // SECTOR


def _compressed(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Grains that hold anything, in order; zlib runs outside of the interpreter's lock."""
    waiting: deque[tuple[int, Future[bytes]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, data in _grains(source):
            waiting.append((number, pool.submit(zlib.compress, data, _LEVEL)))
            if len(waiting) > _WINDOW:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _grains(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    zero = bytes(GRAIN)
    after = -1
    for begin, end in _extents(source):
        for number in range(max(begin // GRAIN, after), -(-end // GRAIN)):
            data = os.pread(source.fileno(), GRAIN, number * GRAIN)
            after = number + 1
            if data != zero:
                yield number, data


def _extents(source: BinaryIO) -> Iterator[tuple[int, int]]:
    """Parts of the file that are not holes."""
    size = os.fstat(source.fileno()).st_size
    end = 0
    while end < size:
        try:
            begin = os.lseek(source.fileno(), end, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            return
        end = os.lseek(source.fileno(), begin, os.SEEK_HOLE)
        yield begin, end
