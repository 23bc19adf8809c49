"""Checkpoints through every kind of damage, and on a full disk."""

import errno
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch

from comp.training.checkpoint_file import read_checkpoint, write_checkpoint

CONTENT = np.random.default_rng(0).bytes(3000)


def written(path: Path) -> Path:
    write_checkpoint(path, lambda file: file.write(CONTENT))
    return path


def test_a_whole_checkpoint_comes_back_and_a_missing_one_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_checkpoint(written(tmp_path / "checkpoint.torch")) == CONTENT
    assert read_checkpoint(tmp_path / "none") is None
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
        assert read_checkpoint(path) is None
        assert capsys.readouterr().out == f"{path} is damaged, or of another version; training starts again\n"
    path.unlink()
    for make in (path.mkdir, path.rmdir, lambda: os.mkfifo(path)):
        make()
        if path.exists():
            assert read_checkpoint(path) is None
            assert "checkpoint.torch cannot be read" in capsys.readouterr().out


def test_torch_writes_through_and_a_full_disk_is_an_oserror(tmp_path: Path) -> None:
    state = {"weights": torch.arange(100_000, dtype=torch.float32), "step": 3}
    path = tmp_path / "checkpoint.torch"

    def save(file: IO[bytes]) -> Any:
        return torch.save(state, file)

    write_checkpoint(path, save)
    content = read_checkpoint(path)
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
        write_checkpoint(path, save_on_full_disk)
    assert read_checkpoint(path) == content
    assert os.listdir(tmp_path).count("checkpoint.torch") == 1
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))
