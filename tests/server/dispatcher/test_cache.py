"""The cache of device code stays small."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bitfusion_server.dispatcher.cache import open_cache, read_settings, trim

NOW = 1_000_000.0
HOUR = 3600.0


def add(folder: Path, name: str, size: int, age_s: float) -> Path:
    """A file that was last used so long ago."""
    file = folder / name
    file.write_bytes(b"x" * size)
    os.utime(file, (NOW - age_s, NOW - age_s))
    return file


def names(folder: Path) -> set[str]:
    """What is left."""
    return {file.name for file in folder.iterdir()}


def test_the_longest_unused_make_way(tmp_path: Path) -> None:
    """What was used last stays, as far as it fits; a smaller one fits where a larger did not."""
    for name, size, age_s in (("old", 400, 300.0), ("small", 90, 400.0), ("new", 500, 100.0), ("newest", 400, 50.0)):
        add(tmp_path, name, size, age_s)
    assert trim(tmp_path, 1000, NOW) == 1
    assert names(tmp_path) == {"newest", "new", "small"}


def test_reading_counts_as_use(tmp_path: Path) -> None:
    """An image that was written long ago and read lately is not the oldest."""
    read = add(tmp_path, "read", 600, 500.0)
    os.utime(read, (NOW - 1, NOW - 500))
    add(tmp_path, "written", 600, 100.0)
    trim(tmp_path, 1000, NOW)
    assert names(tmp_path) == {"read"}


def test_stale_parts_go(tmp_path: Path) -> None:
    """What a killed worker left half written is removed, what one may be writing is not."""
    add(tmp_path, "aa.part.x1", 10, 2 * HOUR)
    add(tmp_path, "bb.part.x2", 10, 60.0)
    add(tmp_path, "cc", 10, 2 * HOUR)
    (tmp_path / "folder").mkdir()
    assert trim(tmp_path, 1000, NOW) == 1
    assert names(tmp_path) == {"bb.part.x2", "cc", "folder"}


def test_strangers_cannot_list_it(tmp_path: Path) -> None:
    """Workers of one session do not see what the others have stored."""
    os.close(open_cache(tmp_path / "cache"))
    assert (tmp_path / "cache").stat().st_mode & 0o7777 == 0o1733


def test_settings_of_the_cache(tmp_path: Path) -> None:
    """bitfusion.yaml says where it is and how large; without the file it is in the data directory."""
    file, data = tmp_path / "bitfusion.yaml", tmp_path / "data"
    given = read_settings(file, data)
    assert (given.root, given.capacity) == (data / "cache", 5120 << 20)

    file.write_text("rdma:\n  enabled: false\ncache_store:\n  server_root: /srv/code\n  server_cleanup_threshold_MB: 100\n")
    given = read_settings(file, data)
    assert (given.root, given.capacity) == (Path("/srv/code"), 100 << 20)


@pytest.mark.parametrize("text", ["{", "cache_store:\n  server_root: code\n", "cache_store:\n  server_cleanup_threshold_MB: much\n"])
def test_settings_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    """The dispatcher does not start with them, and names the file."""
    (tmp_path / "bitfusion.yaml").write_text(text)

    with pytest.raises(ValueError, match=r"bitfusion\.yaml"):
        read_settings(tmp_path / "bitfusion.yaml", tmp_path)
