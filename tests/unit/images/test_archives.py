"""Unpacking of good archives, of nested ones, and of those that try to reach outside."""

import contextlib
import io
import os
import stat
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from comp.base.errors import DataError
from comp.images import archives
from comp.images.archives import unzip

THEN = "type this again"


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return memory.getvalue()


def archive(folder: Path, data: bytes) -> Path:
    path = folder / "all.zip"
    path.write_bytes(data)
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_and_nested_archives(tmp_path: Path) -> None:
    flat, foldered = zipped({"a_red.png": b"1", "a_green.png": b"2"}), zipped({"test/b_red.png": b"3"})
    table = zipped({"labels.csv": b"Id\n"})
    data = zipped({"train.csv": b"Id,Target\n", "train.zip": flat, "test.zip": foldered, "labels.csv.zip": table, "empty/": b""})
    unzip(archive(tmp_path, data), tmp_path / "out", THEN)
    assert content(tmp_path / "out") == {
        "labels.csv": b"Id\n",
        "test/b_red.png": b"3",
        "train.csv": b"Id,Target\n",
        "train/a_green.png": b"2",
        "train/a_red.png": b"1",
    }


@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "train/../../evil", "C:/evil", "..\\evil"])
def test_names_that_lead_outside_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"all\.zip holds a file that would land outside"):
        unzip(archive(tmp_path, zipped({"train.csv": b"Id,Target\n", name: b"x"})), tmp_path / "deep" / "out", THEN)
    assert content(tmp_path).keys() == {"all.zip"}


def test_names_in_nested_archives_are_checked_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.zip holds a file that would land outside"):
        unzip(archive(tmp_path, zipped({"train.zip": zipped({"../../evil": b"x"})})), tmp_path / "deep" / "out", THEN)
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "deep" / "evil").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        link = zipfile.ZipInfo("train")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc")
    with pytest.raises(DataError, match="holds a link: 'train'"):
        unzip(archive(tmp_path, memory.getvalue()), tmp_path / "out", THEN)
    assert not (tmp_path / "out").exists()


def test_damage_is_one_line_and_leaves_no_half_file(tmp_path: Path) -> None:
    noise = os.urandom(5000)
    data = bytearray(zipped({"a.png": noise}, zipfile.ZIP_STORED))
    for damaged in (bytes(data[:2000]), b"no zip at all", b"", bytes(data).replace(noise[100:200], noise[200:300])):
        with pytest.raises(DataError, match=r"all\.zip is damaged \(.*\): remove it, then: type this again"):
            unzip(archive(tmp_path, damaged), tmp_path / "out", THEN)
        assert not content(tmp_path / "out")


def test_what_is_there_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, zipped({"a.png": b"aaa", "b.png": b"bbb", "c.png": b"ccc"}))
    unzip(path, tmp_path / "out", THEN)
    (tmp_path / "out" / "b.png").unlink()
    (tmp_path / "out" / "c.png").write_bytes(b"c")
    unpacked = []

    def counting(source: zipfile.ZipExtFile, target: io.BufferedWriter, length: int) -> None:
        unpacked.append(Path(target.name).name)
        target.write(source.read())

    monkeypatch.setattr(archives.shutil, "copyfileobj", counting)
    unzip(path, tmp_path / "out", THEN)
    assert unpacked == [".b.png.part", ".c.png.part"]
    assert content(tmp_path / "out") == {"a.png": b"aaa", "b.png": b"bbb", "c.png": b"ccc"}


def test_an_archive_larger_than_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, zipped({"a.png": bytes(1000)}))
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: SimpleNamespace(free=999))
    with pytest.raises(DataError, match=r"all\.zip unpacks to 0\.0 GB and 0\.0 are free"):
        unzip(path, tmp_path / "out", THEN)


def test_a_wrong_size_is_damage(tmp_path: Path) -> None:
    data = zipped({"a.png": b"aaa"}, zipfile.ZIP_STORED)
    sizes = b"\x03\x00\x00\x00\x03\x00\x00\x00"
    with pytest.raises(DataError, match="is damaged"):
        unzip(archive(tmp_path, data.replace(sizes, b"\x03\x00\x00\x00\x09\x00\x00\x00")), tmp_path / "out", THEN)
    assert not content(tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["...zip", "..zip", ".zip", "train/...zip", "train/.zip", "x/.. .zip", "a/. ./b.png", "train./b", "b .zip"]
)
def test_no_archive_inside_is_unpacked_outside_its_folder(tmp_path: Path, name: str) -> None:
    inner = zipped({"Makefile": b"broken"})
    data = zipped({"train.csv": b"Id,Target\n", name: inner})
    (tmp_path / "Makefile").write_bytes(b"whole")
    with pytest.raises(DataError, match=r"all\.zip holds a file that would land outside"):
        unzip(archive(tmp_path, data), tmp_path / "deep" / "out", THEN)
    assert content(tmp_path) == {"all.zip": data, "Makefile": b"whole"}


def test_no_archive_in_an_archive_climbs_out_step_by_step(tmp_path: Path) -> None:
    data = zipped({"x.zip": zipped({"...zip": zipped({"...zip": zipped({"Makefile": b"broken"})})})})
    (tmp_path / "Makefile").write_bytes(b"whole")
    with pytest.raises(DataError, match=r"x\.zip holds a file that would land outside"):
        unzip(archive(tmp_path, data), tmp_path / "data", THEN)
    assert (tmp_path / "Makefile").read_bytes() == b"whole"


def test_empty_parts_and_single_dots_do_no_harm(tmp_path: Path) -> None:
    unzip(archive(tmp_path, zipped({"./a//x.png": b"1", ".hidden": b"2", "a/./y..png": b"3"})), tmp_path / "out", THEN)
    assert content(tmp_path / "out") == {".hidden": b"2", "a/x.png": b"1", "a/y..png": b"3"}


@pytest.mark.parametrize("inner", ["TRAIN.ZIP", "a.b.zip", "labels.csv.zip"])
def test_an_archive_inside_is_unpacked_into_a_folder_of_its_name(tmp_path: Path, inner: str) -> None:
    unzip(archive(tmp_path, zipped({inner: zipped({"x.png": b"1", "y.png": b"2"})})), tmp_path / "out", THEN)
    assert content(tmp_path / "out") == {f"{inner[:-4]}/x.png": b"1", f"{inner[:-4]}/y.png": b"2"}


def test_an_archive_that_contains_itself_again_and_again_comes_to_an_end(tmp_path: Path) -> None:
    data = zipped({"a.png": b"1"})
    for _ in range(6):
        data = zipped({"r.zip": data, "a.png": b"1"})
    with pytest.raises(DataError, match="is an archive in 5 others"):
        unzip(archive(tmp_path, data), tmp_path / "out", THEN)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("train/\u00e9.png", "train/e\u0301.png", "two files of one name"),
        ("a.png", "./a.png", "two files of one name"),
        ("train", "train/a.png", "a file and a folder of one name: 'train'"),
        ("train/a/b.png", "train", "a file and a folder of one name: 'train'"),
        ("train/.a.png.part", "train/a.png", "holds 'train/a.png' and an unfinished file of it"),
    ],
)
def test_names_that_overwrite_each_other_are_refused_before_anything_is_written(tmp_path: Path, first: str, second: str, why: str) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (first, second):
            file.writestr(zipfile.ZipInfo(name), name.encode())
    with pytest.raises(DataError, match=why):
        unzip(archive(tmp_path, memory.getvalue()), tmp_path / "out", THEN)
    assert not content(tmp_path / "out")


def test_names_that_differ_in_case_are_two_files_where_the_disk_says_so(tmp_path: Path) -> None:
    unzip(archive(tmp_path, zipped({"aB.png": b"1", "Ab.png": b"22"})), tmp_path / "out", THEN)
    assert content(tmp_path / "out") == {"Ab.png": b"22", "aB.png": b"1"}


def test_unfinished_files_of_a_killed_process_are_cleared(tmp_path: Path) -> None:
    path = archive(tmp_path, zipped({"train/a.png": b"1", "b.png": b"2"}))
    unzip(path, tmp_path / "out", THEN)
    for name in ("train/.a.png.part", ".b.png.part"):
        (tmp_path / "out" / name).write_bytes(b"half")
    unzip(path, tmp_path / "out", THEN)
    assert content(tmp_path / "out") == {"b.png": b"2", "train/a.png": b"1"}


def test_nothing_is_written_through_a_link_to_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"out/train is a link to elsewhere"):
        unzip(archive(tmp_path, zipped({"train/a.png": b"1"})), tmp_path / "out", THEN)
    assert not content(tmp_path / "elsewhere")


def test_a_pipe_or_a_folder_in_place_of_an_archive_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "folder.zip").mkdir()
    for name in ("pipe", "folder", "missing"):
        with pytest.raises(DataError, match=rf"{name}\.zip cannot be unpacked"):
            unzip(tmp_path / f"{name}.zip", tmp_path / "out", THEN)


def test_any_damage_is_a_data_error(tmp_path: Path) -> None:
    """Bytes of a nested archive are changed, removed and added at random; what is unpacked lies in the folder."""
    rng = np.random.default_rng(0)
    good = zipped({"train.csv": b"Id\n", "train.zip": zipped({"a\u00e9.png": bytes(50), "b.png": b"b" * 90}), "t/x": b"y"})
    for number in range(300):
        data = bytearray(good)
        for _ in range(rng.integers(1, 5)):
            place, kind = int(rng.integers(len(data))), rng.integers(3)
            data[place : place + (kind > 0)] = rng.bytes(int(kind != 1))
        with contextlib.suppress(DataError):
            unzip(archive(tmp_path, bytes(data)), tmp_path / "d" / f"out-{number}", THEN)
    assert all(path.is_relative_to(tmp_path / "d") or path.name == "all.zip" for path in tmp_path.rglob("*") if path.is_file())
    assert not list(tmp_path.rglob("*.part"))
