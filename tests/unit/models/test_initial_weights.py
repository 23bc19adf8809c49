"""Files of initial weights: what cannot be loaded is named for what it is, on one line, and nothing in it is run."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import timm
import torch

from comp.base.errors import ConfigError
from comp.models.initial_weights import pretrained_options
from comp.models.weight_sources import weights_source

STATE = {"weight": torch.arange(4.0)}
ALONE = "torch.save(model.state_dict(), 'weights.pth')"
WHOLE = "is a whole pickled model, or holds other Python objects"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        pretrained_options(str(path), "test_resnet", weights_source(str(path), "test_resnet"))
    line = str(caught.value)
    assert "\n" not in line
    assert f"initial_weights: {path}" in line
    return line


class Bomb:
    """What runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_a_whole_pickled_model_is_called_that(tmp_path: Path, zipped: bool, nested: bool) -> None:
    model = torch.nn.Linear(2, 2)
    torch.save({"model": model, "epoch": 3} if nested else model, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    line = refusal(tmp_path / "w.pth")
    assert WHOLE in line
    assert ALONE in line
    assert "download" not in line


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    assert WHOLE in refusal(tmp_path / "w.pth")
    torch.save({"a": Bomb(tmp_path / "ran")}, tmp_path / "w.pth")
    assert WHOLE in refusal(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_torchscript_is_called_that(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "w.pt"))
    line = refusal(tmp_path / "w.pt")
    assert "is a TorchScript program, not weights" in line
    assert ALONE in line


@pytest.mark.parametrize("content", [[1, 2], STATE["weight"], {"epoch": 1}, 5])
def test_a_file_without_named_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    assert "cannot be read (it holds no tensors by name)" in refusal(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", b"\x89HDF\r\n"]
)
def test_foreign_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"w{suffix}").write_bytes(content)
    line = refusal(tmp_path / f"w{suffix}")
    assert "cannot be read" in line
    assert "download it again, or save it again" in line
    assert ("it is no file of PyTorch weights" in line) == (suffix == ".pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_are_cut_off(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save({"weight": torch.rand(1000)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in (1, 2, 10, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refusal(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "x")
    assert "cannot be read" in refusal(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.touch()
    assert "is empty: give a .pth or .safetensors file" in refusal(path)
    path.unlink()
    path.mkdir()
    assert "is a folder" in refusal(path)
    path.rmdir()
    os.mkfifo(path)
    assert "is not a regular file" in refusal(path)
    for other in (f"{'x' * 300}.pth", "~nobody-here/w.pth", "a\0b.pth"):
        with pytest.raises(ConfigError, match="there is no file"):
            weights_source(other, "test_resnet")


def test_whole_state_dicts_are_read(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    for content in (state, {"state_dict": state, "epoch": 3}):
        torch.save(content, tmp_path / "w.pth")
        found = pretrained_options(str(tmp_path / "w.pth"), "test_resnet", "w.pth")["pretrained_cfg_overlay"]["state_dict"]
        assert list(found) == list(state)
