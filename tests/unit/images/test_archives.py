"""Unpacking of good archives, of nested ones, and of those that try to reach outside."""

import io
import os
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

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
