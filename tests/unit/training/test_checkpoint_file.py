"""Checkpoints through every kind of damage, on a full disk, and of other runs."""

import errno
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch
from xxhash import xxh3_128

from comp.base.errors import PredictionError
from comp.training.checkpoint_file import MAGIC, read_checkpoint, what_it_holds, write_checkpoint
from comp.training.trainer import Run

CONTENT = np.random.default_rng(0).bytes(3000)
MADE = {"settings": {"size": 512, "train": {"epochs": 20}}, "folds": "0f", "versions": {"torch": "2.6.0"}, "precision": "bf16 on cuda"}


def run(path: Path, restart: bool = False, **changes: Any) -> Run:
    return Run(0, "cpu", path, MADE | changes, "scratch", restart=restart)


def written(path: Path) -> Path:
    write_checkpoint(run(path), 5400, 3, lambda file: file.write(CONTENT))
    return path


def test_a_whole_checkpoint_comes_back_and_a_missing_one_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_checkpoint(run(written(tmp_path / "checkpoint.torch"))) == CONTENT
    assert read_checkpoint(run(tmp_path / "none")) is None
    assert what_it_holds(tmp_path / "checkpoint.torch") == {"made_from": MADE, "seconds": 5400, "epochs": 3}
    assert what_it_holds(tmp_path / "none") is None
    assert capsys.readouterr().out == ""


def test_every_damaged_checkpoint_is_absent_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "checkpoint.torch")
    whole = path.read_bytes()
    damaged = [b"", b"\0", whole[:-1], whole[:1000], whole + b"\0", CONTENT, os.urandom(100)]
    for place in np.random.default_rng(1).integers(0, len(whole), 200):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        damaged.append(bytes(flipped))
    for data in damaged:
        path.write_bytes(data)
        assert read_checkpoint(run(path)) is None
        assert capsys.readouterr().out == f"{path} is damaged; training starts again\n"
    path.unlink()
    for make in (path.mkdir, path.rmdir, lambda: os.mkfifo(path)):
        make()
        if path.exists():
            assert read_checkpoint(run(path)) is None
            assert "checkpoint.torch cannot be read" in capsys.readouterr().out


def test_torch_writes_through_and_a_full_disk_is_an_oserror(tmp_path: Path) -> None:
    state = {"weights": torch.arange(100_000, dtype=torch.float32), "step": 3}
    path = tmp_path / "checkpoint.torch"

    def save(file: IO[bytes]) -> Any:
        return torch.save(state, file)

    write_checkpoint(run(path), 1.0, 0, save)
    content = read_checkpoint(run(path))
    assert content is not None
    (tmp_path / "plain").write_bytes(content)
    found = torch.load(tmp_path / "plain", weights_only=True)
    assert torch.equal(found["weights"], state["weights"])

    class Full:
        written = 0

        def write(self, data: bytes) -> int:
            self.written += len(data)
            if self.written > 50_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return len(data)

    def save_on_full_disk(file: Any) -> Any:
        file._file = Full()
        return torch.save(state, file)

    with pytest.raises(OSError, match="No space left on device"):
        write_checkpoint(run(path), 1.0, 0, save_on_full_disk)
    assert read_checkpoint(run(path)) == content
    assert os.listdir(tmp_path).count("checkpoint.torch") == 1
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": {"size": 512, "train": {"epochs": 25}}}, "train.epochs=20, now 25"),
        ({"versions": {"torch": "2.7.0"}}, "torch=2.6.0, now 2.7.0"),
        ({"precision": "fp32 on cpu"}, "precision bf16 on cuda, now fp32 on cpu"),
        ({"folds": "1f", "settings": {"size": 256, "train": {"epochs": 20}}}, "size=512, now 256, another fold map"),
    ],
)
def test_a_checkpoint_of_another_run_is_kept_until_restart_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    path = written(tmp_path / "checkpoint.torch")
    before = path.read_bytes()
    with pytest.raises(PredictionError) as error:
        read_checkpoint(run(path, **changes))
    assert str(error.value).startswith(f"{path} holds 1.5 h of training that was done with ")
    assert all(part in error.value.what for part in said.split(", another"))
    assert "RESTART=1" in error.value.then
    assert path.read_bytes() == before
    assert read_checkpoint(run(path, restart=True, **changes)) is None
    assert capsys.readouterr().out.endswith("; training starts anew, as RESTART=1 asks\n")


def test_a_checkpoint_of_an_earlier_version_is_kept_too(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.torch"
    path.write_bytes(CONTENT + xxh3_128(CONTENT).digest() + b"checkpoint 1\n")
    with pytest.raises(PredictionError, match=r"was made with an earlier version of this toolkit: .*RESTART=1"):
        read_checkpoint(run(path))
    assert read_checkpoint(run(path, restart=True)) is None
    assert what_it_holds(path) is None


@pytest.mark.parametrize("end", [MAGIC, b"{" * 5000 + b"\0\0\x13\x88" + bytes(16) + MAGIC, b"\xff" * 20 + MAGIC])
def test_what_a_damaged_checkpoint_holds_is_not_known(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "checkpoint.torch"
    path.write_bytes(end)
    assert what_it_holds(path) is None
