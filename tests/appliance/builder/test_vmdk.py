"""Our VMDK files, read by others and by the letter of the format."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from bitfusion_appliance.builder import programs, vmdk
from bitfusion_appliance.builder.vmdk import GRAIN, SECTOR

MIB = 1 << 20


def raw_disk(path: Path, size: int, pieces: dict[int, bytes]) -> Path:
    """A disk with these pieces in it and holes elsewhere."""
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in pieces.items():
            file.seek(offset)
            file.write(data)
    return path


def noise(size: int) -> bytes:
    """Data that cannot be compressed."""
    return random.Random(size).randbytes(size)


def read_back(path: Path) -> tuple[int, dict[int, bytes]]:
    """Read it as the format says: footer, directory, tables, grains. Returns the capacity in sectors and grains by number."""
    data = path.read_bytes()
    header, footer = data[:SECTOR], data[-2 * SECTOR : -SECTOR]
    assert data[-SECTOR:] == bytes(SECTOR), "end-of-stream marker"
    assert struct.unpack_from("<QII", data, len(data) - 3 * SECTOR) == (1, 0, 3), "footer marker"
    assert header[:56] == footer[:56]
    magic, version, flags, capacity, grain_sectors = struct.unpack_from("<4sIIQQ", footer)
    assert (magic, version, flags, grain_sectors * SECTOR) == (b"KDMV", 3, 0x30001, GRAIN)
    directory_sector = struct.unpack_from("<Q", footer, 56)[0]
    assert struct.unpack_from("<Q", header, 56)[0] == 2**64 - 1, "the header leaves the directory to the footer"
    tables = -(-capacity // (grain_sectors * 512))
    grains = {}
    for number, table in enumerate(struct.unpack_from(f"<{tables}I", data, directory_sector * SECTOR)):
        entries = struct.unpack_from("<512I", data, table * SECTOR) if table else ()
        for entry, sector in enumerate(entries):
            if sector:
                address, size = struct.unpack_from("<QI", data, sector * SECTOR)
                assert address == (number * 512 + entry) * grain_sectors
                grains[number * 512 + entry] = zlib.decompress(data[sector * SECTOR + 12 : sector * SECTOR + 12 + size])
    return capacity, grains


CASES = {
    "empty": (4 * MIB, {}),
    "full": (2 * MIB, {0: noise(2 * MIB)}),
    "ends": (70 * MIB, {0: b"first", 70 * MIB - 4: b"last"}),
    "across grains": (4 * MIB, {GRAIN - 1: b"ab", 3 * GRAIN - 7: noise(GRAIN + 14)}),
    "zeros that are written": (4 * MIB, {0: bytes(MIB), MIB: b"x"}),
    "several tables": (200 * MIB, {33 * MIB: b"a", 100 * MIB + 3: noise(100_000), 199 * MIB: b"z" * 5}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_byte(tmp_path: Path, name: str) -> None:
    """What was on the disk is in the file, bit for bit; what was empty takes no grain."""
    size, pieces = CASES[name]
    disk = raw_disk(tmp_path / "disk.raw", size, pieces)

    written = vmdk.write(disk, tmp_path / "disk.vmdk", 17)

    capacity, grains = read_back(tmp_path / "disk.vmdk")
    content = bytearray(size)
    for number, grain in grains.items():
        assert any(grain)
        content[number * GRAIN : (number + 1) * GRAIN] = grain
    assert content == disk.read_bytes()
    assert capacity * SECTOR == size == written.capacity
    assert written.size == (tmp_path / "disk.vmdk").stat().st_size
    assert written.populated == len(grains) * GRAIN


def test_descriptor(tmp_path: Path) -> None:
    """The text in the beginning, as ESXi writes it."""
    vmdk.write(raw_disk(tmp_path / "disk.raw", MIB, {}), tmp_path / "disk.vmdk", 17)

    text = (tmp_path / "disk.vmdk").read_bytes()[SECTOR : 21 * SECTOR].rstrip(b"\0").decode()
    assert 'createType="streamOptimized"' in text
    assert 'RW 2048 SPARSE "disk.vmdk"' in text
    assert 'ddb.virtualHWVersion = "17"' in text


def test_same_again(tmp_path: Path) -> None:
    """Two builds of one disk are the same file."""
    disk = raw_disk(tmp_path / "disk.raw", 10 * MIB, {MIB: noise(MIB)})
    (tmp_path / "again").mkdir()

    vmdk.write(disk, tmp_path / "disk.vmdk", 17)
    vmdk.write(disk, tmp_path / "again" / "disk.vmdk", 17)

    assert (tmp_path / "disk.vmdk").read_bytes() == (tmp_path / "again/disk.vmdk").read_bytes()


def test_odd_size(tmp_path: Path) -> None:
    """A disk that does not consist of whole grains is refused."""
    with pytest.raises(ValueError, match="multiple"):
        vmdk.write(raw_disk(tmp_path / "disk.raw", GRAIN + 1, {}), tmp_path / "disk.vmdk", 17)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_qemu_reads_it(tmp_path: Path, name: str) -> None:
    """QEMU's own reader finds no error and the same disk."""
    programs.ensure(programs.VERIFY)
    disk = raw_disk(tmp_path / "disk.raw", *CASES[name])
    vmdk.write(disk, tmp_path / "disk.vmdk", 17)

    subprocess.run(["qemu-img", "check", "-q", "-f", "vmdk", tmp_path / "disk.vmdk"], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", tmp_path / "disk.vmdk", tmp_path / "back.raw"], check=True)

    assert (tmp_path / "back.raw").read_bytes() == disk.read_bytes()
