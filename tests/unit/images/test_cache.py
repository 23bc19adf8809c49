"""The cache against images decoded one by one, through kills, changed tables and damaged files."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.locks import lock
from comp.images import cache_files, cache_sources
from comp.images.cache import FORMS, Cache, open_cache
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
from comp.images.read import Image, read_image

CHANNELS = ("red", "green")
SIZE = 32
THEN = "type this again"


def announce(rows: int) -> None:
    assert rows > 0


def draw(folder: Path, count: int, side: int = 64, channels: tuple[str, ...] = CHANNELS) -> dict[str, list[Path]]:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(len(list(folder.iterdir())))
    files = {f"id-{number}": [folder / f"id-{number}_{channel}.png" for channel in channels] for number in range(count)}
    for path in (path for paths in files.values() for path in paths if not path.exists()):
        cv2.imwrite(str(path), rng.integers(0, 256, (side, side), np.uint8))
    return files


def expected(files: dict[str, list[Path]], size: int = SIZE) -> NDArray[np.uint8]:
    images = [read_image(paths, len(paths)).channels for paths in files.values()]
    small = [[cv2.resize(channel, (size, size), interpolation=cv2.INTER_AREA) for channel in image] for image in images]
    return np.moveaxis(np.array(small), 1, 3)


def fill(folder: Path, files: dict[str, list[Path]], size: int = SIZE, form: str | None = None) -> Cache:
    return fill_cache(folder, CacheContent(files, size, CHANNELS, form=form), THEN, announce)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []

    def counting(files: list[Path], channels: int, levels: None) -> Image:
        read.append(files[0].name.split("_")[0])
        return read_image(files, channels, levels)

    monkeypatch.setattr(cache_sources, "read_image", counting)
    return read


def test_rows_are_the_images_in_the_order_of_the_table(tmp_path: Path) -> None:
    files = draw(tmp_path / "train", 70)
    cache = fill(tmp_path / "cache", files)
    assert cache.images.shape == (70, SIZE, SIZE, 2)
    assert cache.images[:].dtype == np.uint8
    np.testing.assert_array_equal(cache.images, expected(files))
    assert cache.ids == tuple(files)
    assert (cache.size, cache.channels, cache.remarks()) == (SIZE, CHANNELS, [])
    np.testing.assert_array_equal(cache.rows(["id-9", "id-3"]), [9, 3])
    np.testing.assert_array_equal(open_cache(tmp_path / "cache").images, cache.images)


def test_a_filled_cache_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "train", 5)
    fill(tmp_path / "cache", files)
    read = count_reads(monkeypatch)
    fill(tmp_path / "cache", files)
    assert read == []


def test_a_table_that_changed_takes_over_the_rows_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "train", 12)
    fill(tmp_path / "cache", {image_id: files[image_id] for image_id in list(files)[:10]})
    read = count_reads(monkeypatch)
    turned = dict(reversed(list(files.items())[3:]))  # 3 rows removed, 2 added, the order turned round
    cache = fill(tmp_path / "cache", turned)
    assert sorted(read) == ["id-10", "id-11"]
    assert cache.ids == tuple(turned)
    np.testing.assert_array_equal(cache.images, expected(turned))
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".previous")] == []


def test_a_file_that_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "train", 6)
    fill(tmp_path / "cache", files)
    cv2.imwrite(str(files["id-4"][1]), np.full((64, 64), 7, np.uint8))
    read = count_reads(monkeypatch)
    cache = fill(tmp_path / "cache", files)
    assert read == ["id-4"]
    np.testing.assert_array_equal(cache.images, expected(files))
    assert (cache.images[4][..., 1] == 7).all()


def test_another_size_or_other_channels_are_read_again(tmp_path: Path) -> None:
    files = draw(tmp_path / "train", 4)
    fill(tmp_path / "cache", files)
    np.testing.assert_array_equal(fill(tmp_path / "cache", files, 16).images, expected(files, 16))
    swapped = {image_id: paths[::-1] for image_id, paths in files.items()}
    cache = fill_cache(tmp_path / "cache", CacheContent(swapped, 16, CHANNELS[::-1]), THEN, announce)
    np.testing.assert_array_equal(cache.images, expected(files, 16)[..., ::-1])


CHILD = """
import sys
from pathlib import Path
from comp.images import cache_files
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
cache_files.SECONDS_BETWEEN_FLUSHES = 0.01
folder, images = Path(sys.argv[1]), Path(sys.argv[2])
files = {f"id-{n}": [images / f"id-{n}_{c}.png" for c in ("red", "green")] for n in range(int(sys.argv[3]))}
print("ready", flush=True)
fill_cache(folder, CacheContent(files, 32, ("red", "green"), form=sys.argv[4]), "again", lambda rows: None)
"""


def stamped(folder: Path) -> int:
    """How many rows of a cache are filled so far."""
    try:
        return int((open_cache(folder).records["stamp"] != 0).sum())
    except DataError:  # it is not there yet
        return 0


@pytest.mark.parametrize("form", FORMS)
def test_a_killed_filling_goes_on_and_no_row_is_wrong(tmp_path: Path, form: str) -> None:
    count = 600
    draw(tmp_path / "train", 100, side=256)
    for number in range(100, count):
        for channel in CHANNELS:
            os.link(tmp_path / f"train/id-{number % 100}_{channel}.png", tmp_path / f"train/id-{number}_{channel}.png")
    files = draw(tmp_path / "train", count)
    right = expected(files)
    folder = tmp_path / "cache"
    rng = np.random.default_rng(3)
    filled = [0]
    for _ in range(5):
        command = [sys.executable, "-c", CHILD, folder, tmp_path / "train", str(count), form]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            assert child.stdout is not None
            child.stdout.readline()
            while child.poll() is None and not stamped(folder) > filled[-1]:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.05))
            child.send_signal(signal.SIGKILL)
        if (folder / "index.json").exists():
            cache = open_cache(folder)
            done = cache.records["stamp"] != 0
            filled.append(int(done.sum()))
            np.testing.assert_array_equal(cache.images[done], right[done])
            if not done.all():
                with pytest.raises(DataError, match="has no image of"):
                    cache.rows(cache.ids)
    assert filled == sorted(filled)
    assert any(0 < number < count for number in filled), f"every kill came before or after the filling: {filled}"
    np.testing.assert_array_equal(fill(folder, files).images, right)


def test_damaged_files_are_all_named_and_the_rest_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "train", 20)
    whole = files["id-3"][0].read_bytes()
    for image_id in ("id-3", "id-5", "id-8", "id-13"):
        files[image_id][0].write_bytes(whole[: len(whole) // 2])
    for path in files["id-15"]:
        cv2.imwrite(str(path), np.zeros((64, 64), np.uint8))
    report = tmp_path / "cache-unreadable.csv"
    with pytest.raises(DataError, match=rf"5 of 20 images cannot be used: .*2 more \(all in {report}\): type this again"):
        fill(tmp_path / "cache", files)
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert [row["id"] for row in rows] == ["id-3", "id-5", "id-8", "id-13", "id-15"]
    assert "is all black" in rows[-1]["problem"]
    cache = open_cache(tmp_path / "cache")
    with pytest.raises(DataError, match="has no image of id-5"):
        cache.rows(["id-1", "id-5"])

    for image_id in ("id-3", "id-5", "id-8", "id-13"):
        files[image_id][0].write_bytes(whole)
    del files["id-15"]
    read = count_reads(monkeypatch)
    np.testing.assert_array_equal(fill(tmp_path / "cache", files).images, expected(files))
    assert sorted(read) == ["id-13", "id-3", "id-5", "id-8"]
    assert not report.exists()


def test_a_filled_row_whose_file_breaks_is_no_longer_served(tmp_path: Path) -> None:
    files = draw(tmp_path / "train", 3)
    fill(tmp_path / "cache", files)
    files["id-1"][0].write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 3 images cannot be used: .*id-1_red\.png is empty"):
        fill(tmp_path / "cache", files)
    with pytest.raises(DataError, match="has no image of id-1"):
        open_cache(tmp_path / "cache").rows(["id-1"])


def test_missing_files_are_named_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "train", 6)
    files["id-2"][1].unlink()
    read = count_reads(monkeypatch)
    with pytest.raises(DataError, match=r"1 of 6 images cannot be used: .*id-2_green\.png is missing"):
        fill(tmp_path / "cache", files)
    assert read == []
    assert not (tmp_path / "cache").exists()


def test_odd_files_are_remarked_on_by_name(tmp_path: Path) -> None:
    files = draw(tmp_path / "train", 4)
    rng = np.random.default_rng(1)
    cv2.imwrite(str(files["id-1"][1]), np.zeros((64, 64), np.uint8))
    for image_id, shape in (("id-2", (64, 128)), ("id-3", (16, 16))):
        for path in files[image_id]:
            cv2.imwrite(str(path), rng.integers(0, 256, shape, np.uint8))
    remarks = [
        ("id-1", "all black: green"),
        ("id-2", "128 x 64 px, squeezed into a square"),
        ("id-3", "16 x 16 px, enlarged"),
    ]
    assert fill(tmp_path / "cache", files).remarks() == remarks
    assert open_cache(tmp_path / "cache").remarks() == remarks


def test_a_black_image_is_refused_unless_it_may_be_black(tmp_path: Path) -> None:
    files = draw(tmp_path / "test", 3)
    for path in files["id-1"]:
        cv2.imwrite(str(path), np.zeros((64, 64), np.uint8))
    with pytest.raises(DataError, match=r"id-1_red\.png \(and its 1 other channels\) is all black, every pixel is 0"):
        fill(tmp_path / "cache", files)
    cache = fill_cache(tmp_path / "cache", CacheContent(files, SIZE, CHANNELS, may_be_black=True), THEN, announce)
    assert not cache.images[1].any()
    assert cache.remarks() == [("id-1", "all black: red, green")]


def test_bits_that_are_not_used_and_grey_files_are_remarked_on(tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "train"
    folder.mkdir()
    colours = ("red", "green", "blue")
    files = {name: [folder / f"{name}.png"] for name in ("a", "b")}
    cv2.imwrite(str(folder / "a.png"), np.full((64, 64, 3), 3000, np.uint16) + rng.integers(0, 1000, (64, 64, 3), np.uint16))
    cv2.imwrite(str(folder / "b.png"), rng.integers(0, 256, (64, 64), np.uint8))
    remarks = fill_cache(tmp_path / "cache", CacheContent(files, SIZE, colours), THEN, announce).remarks()
    assert [image_id for image_id, _ in remarks] == ["all", "b"]
    assert remarks[0][1].startswith("no stored value is above 3,99")
    assert "if they have 12 bits, say so: images: {bits: 12}" in remarks[0][1]
    assert remarks[1][1] == "grey, taken for red, green and blue"
    declared = fill_cache(tmp_path / "cache", CacheContent(files, SIZE, colours, levels=(0, 4095)), THEN, announce)
    assert [image_id for image_id, _ in declared.remarks()] == ["b"]
    assert declared.images[0].min() >= 3000 * 255 // 4095


def test_pixels_that_changed_on_the_disk_are_noticed_and_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = draw(tmp_path / "train", 70)
    whole = fill(tmp_path / "cache", files).images[:]
    assert len(open_cache(tmp_path / "cache").damaged_rows()) == 0
    with (tmp_path / "cache" / "images.u8").open("r+b") as pixels:
        for row in (3, 68):
            pixels.seek(row * SIZE * SIZE * 2 + 5)
            byte = pixels.read(1)[0]
            pixels.seek(-1, os.SEEK_CUR)
            pixels.write(bytes([byte ^ 16]))
    np.testing.assert_array_equal(open_cache(tmp_path / "cache").damaged_rows(), [3, 68])
    cache = fill_cache(tmp_path / "cache", CacheContent(files, SIZE, CHANNELS), THEN, announce, verify=True)
    np.testing.assert_array_equal(cache.images, whole)
    assert f"{tmp_path / 'cache'}: 2 images are damaged (id-3, id-68) and are read again" in capsys.readouterr().out


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    files, folder = draw(tmp_path / "train", 3), tmp_path / "cache"
    whole = fill(folder, files).images[:]

    def replaced_by_folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    index = (folder / "index.json").read_text()
    for name, content in {
        "index.json": ["", "{", "[]", "null", "3", '{"ids": 3}', "[" * 100_000, index.replace('"size": 32', '"size": "32"'), index[:-20]],
        "images.u8": ["", "x" * 100], "rows.bin": ["", "x" * 64],
    }.items():  # fmt: skip
        for text in content:
            (folder / name).write_text(text)
            np.testing.assert_array_equal(fill(folder, files).images, whole)
        replaced_by_folder(folder / name)
        np.testing.assert_array_equal(fill(folder, files).images, whole)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("a file in place of the folder")
    np.testing.assert_array_equal(fill(folder, files).images, whole)


def test_the_fingerprint_changes_with_the_pixels_and_not_with_files_or_rows(tmp_path: Path) -> None:
    files = draw(tmp_path / "train", 4)
    first = fill(tmp_path / "cache", files).fingerprint
    for paths in files.values():
        for path in paths:
            path.write_bytes(path.read_bytes())  # the same pixels, later
    assert fill(tmp_path / "cache", files).fingerprint == first
    assert fill(tmp_path / "other", dict(reversed(files.items()))).fingerprint == first
    others = {fill(tmp_path / "smaller", files, 16).fingerprint}
    others.add(fill_cache(tmp_path / "names", CacheContent(files, SIZE, ("red", "blue")), THEN, announce).fingerprint)
    others.add(fill(tmp_path / "fewer", {image_id: files[image_id] for image_id in list(files)[1:]}).fingerprint)
    image = cv2.imread(str(files["id-2"][0]), cv2.IMREAD_UNCHANGED)
    image[:8, :8] ^= 64
    cv2.imwrite(str(files["id-2"][0]), image)
    others.add(fill(tmp_path / "cache", files).fingerprint)
    assert len(others | {first}) == 5


def test_a_file_replaced_by_one_of_the_same_length_and_time_is_read_again(tmp_path: Path) -> None:
    files = draw(tmp_path / "train", 2)
    for path in files["id-0"]:
        cv2.imwrite(str(path), np.full((64, 64), 10, np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    fill(tmp_path / "cache", files)
    before = files["id-0"][0].stat()
    cv2.imwrite(str(files["id-0"][0]), np.full((64, 64), 20, np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    os.utime(files["id-0"][0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files["id-0"][0].stat().st_size == before.st_size
    assert fill(tmp_path / "cache", files).images[0][0, 0].tolist() == [20, 10]


def test_a_cache_that_another_process_has_filled_meanwhile_is_not_filled_again(tmp_path: Path) -> None:
    files, folder = draw(tmp_path / "train", 2), tmp_path / "cache"
    with lock(tmp_path / "cache.lock", "someone"):
        command = [sys.executable, "-c", CHILD, folder, tmp_path / "train", "2", "raw"]
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        assert waiting.stdout.readline() == f"waiting for someone (process {os.getpid()}), which holds {tmp_path / 'cache.lock'}\n"
        fill(tmp_path / "other", files)
        (tmp_path / "other").rename(folder)
        before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert waiting.communicate(timeout=60) == ("", "")
    assert waiting.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(tmp_path / "train", 2)

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(cache_files.os, "pwrite", full)
    with pytest.raises(DataError, match="cannot be written"):
        fill(tmp_path / "cache", files)
    with pytest.raises(DataError, match=r"needs .* GB and .* are free"):
        fill(tmp_path / "huge", {f"id-{n}": paths for n, paths in enumerate([files["id-0"]] * 100)}, 200_000)


def test_no_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no image cache .*nowhere: fill it with: make data"):
        open_cache(tmp_path / "nowhere")


def test_anonymous_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here to read the anonymous memory from")
    draw(tmp_path / "train", 1, side=512)
    peak = {count: anonymous_memory(tmp_path / f"cache-{count}", tmp_path / "train", count) for count in (100, 400)}
    assert peak[400] - peak[100] < 20e6  # 300 more images are 157 MB in the cache


MEASURED = """
import re, sys, threading, time
from pathlib import Path
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
folder, image, count = Path(sys.argv[1]), Path(sys.argv[2]) / "id-0_red.png", int(sys.argv[3])
peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024)
        time.sleep(0.005)
threading.Thread(target=watch, daemon=True).start()
fill_cache(folder, CacheContent({f"id-{n}": [image, image] for n in range(count)}, 512, ("red", "green")), "again", lambda rows: None)
print(peak)
"""


def anonymous_memory(folder: Path, images: Path, count: int) -> int:
    ended = subprocess.run([sys.executable, "-c", MEASURED, folder, images, str(count)], capture_output=True, text=True, check=True)
    return int(ended.stdout.splitlines()[-1])
