"""Caches that are made from larger ones: which ones serve, and by how much their pixels differ from those of the files."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.images.cache import COMPRESSED, FORMS, Cache
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
from tests.unit.images.test_cache import CHANNELS, THEN, announce, count_reads, draw, expected

SIDE = 96  # of the files


def make(folder: Path, files: dict[str, list[Path]], size: int, form: str | None = None, verify: bool = False) -> Cache:
    """A cache beside caches of other sizes."""
    others: Sequence[Path] = sorted(path for path in folder.glob("train-*") if path.is_dir())
    return fill_cache(folder / f"train-{size}", CacheContent(files, size, CHANNELS, form=form, others=others), THEN, announce, verify)


@pytest.mark.parametrize("form", FORMS)
def test_from_a_cache_as_large_as_the_files_the_pixels_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    files = draw(tmp_path / "files", 10, SIDE)
    cv2.imwrite(str(files["id-4"][1]), np.zeros((SIDE, SIDE), np.uint8))
    larger = make(tmp_path, files, SIDE, form)
    direct = fill_cache(tmp_path / "direct", CacheContent(files, 32, CHANNELS), THEN, announce)
    capsys.readouterr()
    read = count_reads(monkeypatch)
    cache = make(tmp_path, files, 32)
    assert read == []
    assert capsys.readouterr().out.startswith("cache train-32: raw, because")
    assert json.loads((tmp_path / "train-32/index.json").read_text())["made_from"] == cache.made_from == f"train-{SIDE}"
    np.testing.assert_array_equal(cache.images, expected(files, 32))
    np.testing.assert_array_equal(cache.records, direct.records)
    assert cache.fingerprint == direct.fingerprint
    assert cache.remarks() == [("id-4", "all black: green")]
    assert larger.fingerprint != cache.fingerprint


@pytest.mark.parametrize(("side", "larger", "smaller"), [(96, 48, 16), (100, 64, 32), (96, 64, 32), (75, 40, 20)])
def test_else_they_differ_by_one_grey_level_at_most(tmp_path: Path, side: int, larger: int, smaller: int) -> None:
    files = draw(tmp_path / "files", 12, side)
    make(tmp_path, files, larger)
    cache = make(tmp_path, files, smaller)
    assert cache.made_from == f"train-{larger}"
    difference = np.abs(np.asarray(cache.images).astype(int) - expected(files, smaller))
    assert difference.max() <= 1
    assert difference.mean() < 0.3


def test_the_line_says_what_a_cache_is_made_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = draw(tmp_path / "files", 3, SIDE)
    make(tmp_path, files, 64)
    make(tmp_path, files, 32)
    assert capsys.readouterr().out.splitlines()[-1].endswith("; made from train-64")


def test_damaged_and_enlarged_rows_are_read_from_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "files", 10, 64)
    for path in files["id-7"]:
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (40, 80), np.uint8))
    larger = make(tmp_path, files, 64)
    pixels = bytearray(larger.images.path.read_bytes())
    pixels[2 * 64 * 64 * 2 + 77] ^= 1
    larger.images.path.write_bytes(pixels)
    read = count_reads(monkeypatch)
    cache = make(tmp_path, files, 32)
    assert sorted(read) == ["id-2", "id-7"]
    np.testing.assert_array_equal(cache.images, expected(files, 32))


def test_only_a_cache_that_serves_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "files", 6, SIDE)
    make(tmp_path, files, 16)
    read = count_reads(monkeypatch)
    assert make(tmp_path, files, 40).made_from is None  # not from a smaller one
    assert make(tmp_path, files, 24).made_from is None  # 40 is no multiple
    assert make(tmp_path, files, 48).made_from is None
    assert len(read) == 3 * 6
    assert make(tmp_path, files, 8).made_from == "train-48"  # the largest
    (tmp_path / "train-48").rename(tmp_path / "elsewhere")
    assert make(tmp_path, files, 4).made_from == "train-40"
    assert len(read) == 3 * 6
    cv2.imwrite(str(files["id-3"][0]), np.full((SIDE, SIDE), 9, np.uint8))
    cache = make(tmp_path, files, 20)  # the larger ones are not up to date
    assert cache.made_from is None
    np.testing.assert_array_equal(cache.images, expected(files, 20))
    fewer = {image_id: paths for image_id, paths in files.items() if image_id != "id-1"}
    assert make(tmp_path, fewer, 10).made_from is None


def test_a_cache_is_mended_from_what_it_was_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "files", 6, SIDE)
    make(tmp_path, files, 48)
    before = make(tmp_path, files, 24)
    pixels = bytearray(before.images.path.read_bytes())
    pixels[77] ^= 1
    before.images.path.write_bytes(pixels)
    read = count_reads(monkeypatch)
    after = make(tmp_path, files, 24, verify=True)
    assert read == []
    assert after.fingerprint == before.fingerprint
    assert make(tmp_path, files, 24, COMPRESSED).fingerprint == before.fingerprint
    assert make(tmp_path, files, 24).made_from == "train-48"
    assert read == []


def test_a_cache_made_from_the_files_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "files", 6, SIDE)
    make(tmp_path, files, 24)
    make(tmp_path, files, 48)
    more = draw(tmp_path / "files", 8, SIDE)
    make(tmp_path, more, 48)
    read = count_reads(monkeypatch)
    cache = make(tmp_path, more, 24)
    assert sorted(read) == ["id-6", "id-7"]
    assert cache.made_from is None
    np.testing.assert_array_equal(cache.images, expected(more, 24))
