"""Images read for one use: the same pixels as in the cache, and errors."""

import shutil
from collections import namedtuple

import cv2
import numpy as np
import pytest

from comp.base.errors import DataError
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
from comp.images.memory_maps import read_into_maps

CHANNELS = ("red", "green", "blue", "yellow")


@pytest.fixture
def files(tmp_path):
    """Five images of other sizes, one of them not square, one of 16 bits."""
    generator = np.random.default_rng(0)
    found = {}
    for number, (height, width) in enumerate([(64, 64), (40, 64), (20, 20), (100, 100), (64, 64)]):
        found[f"id-{number}"] = [tmp_path / f"id-{number}_{channel}.png" for channel in CHANNELS]
        for path in found[f"id-{number}"]:
            deep = number == 4
            image = generator.integers(0, 65536 if deep else 256, (height, width)).astype(np.uint16 if deep else np.uint8)
            assert cv2.imwrite(str(path), image)
    return found


def test_every_size_has_the_pixels_of_the_cache(files, tmp_path):
    maps = read_into_maps(tmp_path, files, 4, [32, 64], None, tmp_path / "unreadable.csv")
    assert sorted(maps) == [32, 64]
    for size, path in maps.items():
        cache = fill_cache(tmp_path / f"cache-{size}", CacheContent(files, size, CHANNELS), "", lambda rows: None)
        np.testing.assert_array_equal(np.memmap(path, np.uint8, "r", shape=(5, size, size, 4)), cache.images)


def test_black_channels_and_bits_that_are_not_used_are_noted(files, tmp_path, capsys):
    def notes(levels=None):
        read_into_maps(tmp_path, files, 4, [32], levels, tmp_path / "unreadable.csv")
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]

    assert notes() == []
    for number in range(5):
        for path in files[f"id-{number}"]:
            assert cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.uint16) % 256 * 16)
    largest = max(cv2.imread(str(path), cv2.IMREAD_UNCHANGED).max() for paths in files.values() for path in paths)
    (note,) = notes()
    assert note.startswith(f"note: no stored value is above {largest:,} of 65,535; if these images have 12 bits and those of training")
    assert notes((0, 4095)) == []
    for name, channel in (("id-1", 2), ("id-3", 0), ("id-3", 1)):
        assert cv2.imwrite(str(files[name][channel]), np.zeros_like(cv2.imread(str(files[name][channel]), cv2.IMREAD_UNCHANGED)))
    assert notes() == ["note: 2 of 5 images are all black in some channel: id-1, id-3", note]


def test_what_cannot_be_read_is_all_listed(files, tmp_path):
    report = tmp_path / "unreadable.csv"
    for name in ("id-1", "id-3"):
        files[name][2].write_bytes(files[name][2].read_bytes()[:-30])
    with pytest.raises(DataError, match=r"2 of 5 images cannot be used: .*id-1_blue\.png .*; .*id-3_blue\.png "):
        read_into_maps(tmp_path, files, 4, [32], None, report)
    assert [line.partition(",")[0] for line in report.read_text().splitlines()] == ["id", "id-1", "id-3"]
    files["id-0"][0].unlink()
    with pytest.raises(DataError, match=r"1 of 5 images cannot be used: .*id-0_red\.png is missing"):
        read_into_maps(tmp_path, files, 4, [32], None, report)


def test_no_images_and_too_little_space_are_errors_before_any_work(files, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="there is no image to read"):
        read_into_maps(tmp_path, {}, 4, [32], None, tmp_path / "unreadable.csv")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("Usage", "free")(1000))
    with pytest.raises(DataError, match=r"needs 0.0 GB for 5 images and 0.0 are free"):
        read_into_maps(tmp_path, files, 4, [32], None, tmp_path / "unreadable.csv")
    assert not list(tmp_path.glob("*.u8"))
