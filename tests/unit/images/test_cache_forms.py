"""Raw and compressed caches hold the same; which one is chosen; what becomes of rows that are written again."""

import os
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.base.errors import DataError
from comp.images import cache_form, cache_writer
from comp.images.cache import COMPRESSED, FORMS, RAW, RECORD, end_of, open_cache, read_index
from comp.images.cache_form import choose_form, memory
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
from comp.images.image_codec import compress, decompress
from tests.unit.images.test_cache import CHANNELS, SIZE, THEN, announce, count_reads, draw, expected, fill

FACTS = [name for name in RECORD.names if name not in ("offset", "length", "unused")]


@pytest.mark.parametrize("shape", [(16, 16, 1), (16, 16, 2), (7, 9, 3), (32, 32, 4), (8, 8, 7)])
def test_an_image_is_the_same_after_compression(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 20, shape, np.uint8)
    batch = np.full((2, *shape), 9, np.uint8)
    decompress(compress(image), batch[1])
    np.testing.assert_array_equal(batch[1], image)
    assert (batch[0] == 9).all()


def test_damaged_bytes_are_no_image() -> None:
    image = np.random.default_rng(0).integers(0, 20, (16, 16, 4), np.uint8)
    data = compress(image)
    for damaged in (b"", b"x", data[: len(data) // 2], compress(image[:8]), compress(np.zeros((64, 64, 4), np.uint8))):
        with pytest.raises(ValueError, match=r"."):
            decompress(damaged, np.empty_like(image))


def test_both_forms_have_the_same_pixels_records_and_fingerprint(tmp_path: Path) -> None:
    files = draw(tmp_path / "train", 12)
    cv2.imwrite(str(files["id-4"][1]), np.zeros((64, 64), np.uint8))
    raw, compressed = (fill(tmp_path / form, files, form=form) for form in FORMS)
    assert (raw.form, compressed.form) == (RAW, COMPRESSED)
    assert (tmp_path / "raw/images.u8").stat().st_size == raw.stored_bytes == 12 * SIZE * SIZE * 2
    assert (tmp_path / "compressed/images.zst").stat().st_size == compressed.stored_bytes == end_of(compressed.records)
    for cache in (raw, compressed):
        np.testing.assert_array_equal(cache.images, expected(files))
        for rows in (3, -1, [5, 0, 5], slice(2, 7), np.arange(12) % 3 == 0, np.array([], int)):
            np.testing.assert_array_equal(cache.images[rows], expected(files)[rows])
        with pytest.raises(IndexError):
            cache.images[12]
        assert len(cache.damaged_rows()) == 0
    np.testing.assert_array_equal(raw.records[FACTS], compressed.records[FACTS])
    assert raw.fingerprint == compressed.fingerprint
    assert raw.remarks() == compressed.remarks() == [("id-4", "all black: green")]


def test_the_form_is_kept_unless_another_one_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = draw(tmp_path / "train", 8)
    before = fill(tmp_path / "cache", files)
    read = count_reads(monkeypatch)
    assert before.form == RAW
    assert fill(tmp_path / "cache", files, form=COMPRESSED).form == COMPRESSED
    assert "cache cache: compressed, as asked for, instead of raw\n" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["images.zst", "index.json", "rows.bin"]
    assert fill(tmp_path / "cache", files).form == COMPRESSED
    assert read == []
    more = draw(tmp_path / "train", 10)
    cache = fill(tmp_path / "cache", more)
    assert cache.form == COMPRESSED
    assert sorted(read) == ["id-8", "id-9"]
    np.testing.assert_array_equal(cache.images, expected(more))
    raw = fill(tmp_path / "cache", more, form=RAW)
    np.testing.assert_array_equal(raw.images, expected(more))
    np.testing.assert_array_equal(before.images, expected(files))  # it is still open
    assert sorted(read) == ["id-8", "id-9"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "cache.lock", "train"]


def test_damage_in_a_compressed_file_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, path = draw(tmp_path / "train", 40), tmp_path / "cache/images.zst"
    cache = fill(tmp_path / "cache", files, form=COMPRESSED)
    data = bytearray(path.read_bytes())
    for row in (3, 30):
        place = int(cache.records["offset"][row])
        data[place : place + 20] = bytes(20)
    data[int(cache.records["offset"][17]) + 1500] ^= 4
    path.write_bytes(data)
    cache = open_cache(tmp_path / "cache")
    assert {3, 17, 30} == set(cache.damaged_rows().tolist())
    with pytest.raises(DataError, match=r"images\.zst is damaged at byte .*: remove .*cache, then type the command again"):
        cache.images[[2, 3]]
    whole = fill_cache(tmp_path / "cache", CacheContent(files, SIZE, CHANNELS), THEN, announce, verify=True)
    np.testing.assert_array_equal(whole.images, expected(files))
    assert "3 images are damaged (id-3, id-17, id-30) and are read again" in capsys.readouterr().out


def test_a_compressed_cache_with_damaged_files_is_made_again(tmp_path: Path) -> None:
    files, folder = draw(tmp_path / "train", 3), tmp_path / "cache"
    for name in ("images.zst", "rows.bin", "index.json"):
        for content in (b"", b"x" * 100, np.random.default_rng(0).bytes(RECORD.itemsize * 3)):
            fill(folder, files, form=COMPRESSED)
            (folder / name).write_bytes(content)
            np.testing.assert_array_equal(fill(folder, files).images, expected(files))
        fill(folder, files, form=COMPRESSED)
        (folder / name).unlink()
        (folder / name).mkdir()
        np.testing.assert_array_equal(fill(folder, files).images, expected(files))
    fill(folder, files, form=COMPRESSED)
    index = (folder / "index.json").read_text()
    (folder / "index.json").write_text(index.replace('"compressed"', '"gzip"'))
    assert read_index(folder) is None
    np.testing.assert_array_equal(fill(folder, files).images, expected(files))


def test_rows_written_again_leave_an_open_cache_its_images(tmp_path: Path) -> None:
    files, folder = draw(tmp_path / "train", 20), tmp_path / "cache"
    before, pixels = fill(folder, files, form=COMPRESSED), expected(files)
    cv2.imwrite(str(files["id-4"][1]), np.full((64, 64), 7, np.uint8))
    with (folder / "images.zst").open("ab") as file:
        file.write(b"left by a killed process" * 100)
    after = fill(folder, files)
    np.testing.assert_array_equal(after.images, expected(files))
    np.testing.assert_array_equal(before.images, pixels)
    for number in range(12):
        cv2.imwrite(str(files[f"id-{number}"][0]), np.full((64, 64), number, np.uint8))
    last = fill(folder, files)
    np.testing.assert_array_equal(last.images, expected(files))
    np.testing.assert_array_equal(before.images, pixels)
    assert last.stored_bytes == last.records["length"].sum()  # most of the file was waste, so it was begun anew


def test_a_filling_killed_after_its_first_row_goes_on_in_the_same_file(tmp_path: Path) -> None:
    files, folder = draw(tmp_path / "train", 20), tmp_path / "cache"
    records = fill(folder, files, form=COMPRESSED).records.copy()
    late = np.argsort(records["offset"])[5]  # a thread had written the pixels of five other rows before those of this one
    records[np.arange(20) != late] = np.zeros(1, RECORD)
    (folder / "rows.bin").write_bytes(records.tobytes())
    file = (folder / "images.zst").stat().st_ino
    np.testing.assert_array_equal(fill(folder, files).images, expected(files))
    assert (folder / "images.zst").stat().st_ino == file


@pytest.mark.parametrize("name", ["images.zst", "rows.bin"])
def test_a_cache_that_is_made_anew_while_it_is_opened_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fill(tmp_path / "cache", draw(tmp_path / "train", 3), form=COMPRESSED)

    def then_removed(folder: Path) -> dict[str, object] | None:
        index = read_index(folder)
        (folder / name).unlink()
        return index

    monkeypatch.setattr("comp.images.cache.read_index", then_removed)
    with pytest.raises(DataError, match="there is no image cache"):
        open_cache(tmp_path / "cache")


def test_a_full_disk_is_one_line_and_what_is_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, written = draw(tmp_path / "train", 20), []

    def soon_full(descriptor: int, data: memoryview, offset: int) -> int:
        written.append(len(data))
        if sum(written) > 20_000:
            raise OSError(28, os.strerror(28))
        return pwrite(descriptor, data, offset)

    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", soon_full)
    with pytest.raises(DataError, match=r"cache cannot be written \(No space left on device\): free space"):
        fill(tmp_path / "cache", files, form=COMPRESSED)
    monkeypatch.setattr(os, "pwrite", pwrite)
    np.testing.assert_array_equal(fill(tmp_path / "cache", files).images, expected(files))


def test_the_form_depends_on_disk_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(free: float, has: float) -> tuple[str, str]:
        monkeypatch.setattr(cache_form, "memory", lambda: int(has * 1e9))
        monkeypatch.setattr(cache_form.shutil, "disk_usage", lambda folder: namedtuple("Usage", "free")(int(free * 1e9)))
        return choose_form(tmp_path / "hpa.cache" / "train-1024", int(130.3e9))

    assert chosen(200, 256) == (RAW, "because 130 GB fit into the memory (256 GB)")
    assert chosen(200, 64) == (COMPRESSED, "because raw (130 GB) is larger than 75 % of the memory (64 GB)")
    assert chosen(100, 256) == (COMPRESSED, "because raw (130 GB) is too large for the free disk (100 GB)")
    assert chosen(8, 256)[0] == COMPRESSED
    with pytest.raises(DataError, match=r"train-1024 needs at least 6\.5 GB and 5\.0 are free: free some space"):
        chosen(5, 256)


def test_memory_is_that_of_the_container(tmp_path: Path) -> None:
    whole = memory(())
    (tmp_path / "limit").write_text("1000000\n")
    (tmp_path / "none").write_text("max\n")
    assert memory([tmp_path / "none", tmp_path / "missing"]) == whole > 10**8
    assert memory([tmp_path / "none", tmp_path / "limit"]) == 10**6


def test_a_new_cache_says_its_form_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    files = draw(tmp_path / "train", 3)
    monkeypatch.setattr(cache_writer, "choose_form", lambda folder, raw: (COMPRESSED, f"because {raw} bytes are many"))
    assert fill(tmp_path / "train-32", files).form == COMPRESSED
    assert capsys.readouterr().out == f"cache train-32: compressed, because {3 * 32 * 32 * 2} bytes are many\n"
    fill(tmp_path / "train-32", files)
    assert capsys.readouterr().out == ""
