"""Files are whole or absent, regular, and as open to others as the user's umask says."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from comp.base.files import atomic_folder, atomic_write, hash_of, read_text, remove_leftovers, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "file.json"
    write_json(path, {"a": 1})

    def write_half():
        with atomic_write(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_the_users_umask_decides_who_may_read(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_who_writes_next_clears_what_killed_writers_left_and_nothing_of_living_ones(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    name = ".file.csv.{}-{}-0123abcd.part"
    left = tmp_path / name.format(platform.node(), dead.pid)
    kept = [
        tmp_path / name.format(platform.node(), os.getpid()),
        tmp_path / name.format("elsewhere", 1),
        tmp_path / ".other.csv.x-1-a.part",
    ]
    for path in (left, *kept):
        path.write_text("half")
    write_text(tmp_path / "file.csv", "whole")
    assert not left.exists()
    assert all(path.exists() for path in kept)
    remove_leftovers(tmp_path / "file.csv")
    assert [path.exists() for path in kept] == [False, False, True]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "a µ")
    assert read_text(tmp_path / "file") == "a µ"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "loop", Path("/dev/zero")):
        with pytest.raises(OSError):  # noqa: PT011  # each kind has its own number
            read_text(path)


def test_hash_ignores_key_order_and_sees_values():
    assert hash_of({"a": 1, "b": [2]}) == hash_of({"b": [2], "a": 1}) != hash_of({"a": 1, "b": [3]})


def test_a_folder_takes_the_place_of_another_one_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder"
    for text in ("first", "second"):
        with atomic_folder(path) as folder:
            (folder / text).write_text(text)
        assert [entry.name for entry in path.iterdir()] == [text]

    def write_half() -> None:
        with atomic_folder(path) as folder:
            (folder / "half").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert [entry.name for entry in path.iterdir()] == ["second"]
    assert [entry.name for entry in path.parent.iterdir()] == ["folder"]


def test_folders_that_killed_writers_left_are_cleared(tmp_path: Path) -> None:
    held = "held = atomic_folder(pathlib.Path('made'))"
    lines = ("import os, pathlib", "from comp.base.files import atomic_folder", held, "held.__enter__()", "os._exit(9)")
    code = "\n".join(lines)
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_folder(tmp_path / "made"):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["made"]
