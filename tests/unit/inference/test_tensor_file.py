"""Files of tensors: what comes back, equal bytes, damage."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from comp.base.errors import PredictionError
from comp.inference import tensor_file
from comp.inference.tensor_file import read_about, read_tensors, write_tensors

TENSORS = {
    "layer.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "layer.count": np.array(7, np.int64),
    "labels": np.array([[True, False]]),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "none": np.empty((0, 3), np.float32),
}
ABOUT = {"trainer": "torch", "levels": None, "mean": [0.1, 1 / 3], "unicode": "é", "provenance": {}}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some/weights-0.safetensors"
    write_tensors(path, ABOUT, TENSORS)
    return path


def test_it_comes_back_as_it_was(file):
    about, tensors = read_tensors(file, "")
    assert about == {**ABOUT, "version": 1}
    assert set(tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape


def test_any_safetensors_reader_can_read_it(file):
    with safe_open(file, "np") as opened:
        np.testing.assert_array_equal(opened.get_tensor("turned"), TENSORS["turned"])
        assert json.loads(opened.metadata()["comp"])["about"]["trainer"] == "torch"


def test_equal_contents_give_equal_bytes(file, tmp_path):
    for number in range(5):
        other = tmp_path / f"{number}.safetensors"
        write_tensors(other, dict(reversed(ABOUT.items())), dict(reversed(TENSORS.items())))
        assert other.read_bytes() == file.read_bytes()


def test_every_flipped_byte_is_noticed(file):
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(PredictionError, match=r"weights-0\.safetensors"):
            read_tensors(file, "train it again")


def test_files_that_are_none_are_named(file, tmp_path):
    whole = file.read_bytes()
    for content, what in (
        (whole[:-1], "damaged"),
        (whole[:5], "damaged"),
        (b"", "damaged"),
        (b"PK" + whole, "damaged"),
        (whole + b"x", "damaged"),
    ):
        file.write_bytes(content)
        with pytest.raises(PredictionError, match=what):
            read_tensors(file, "train it again")
    save_file(TENSORS, file)
    with pytest.raises(PredictionError, match="was not written by this toolkit: train it again"):
        read_tensors(file, "train it again")
    with pytest.raises(PredictionError, match=r"there is no .*missing"):
        read_tensors(tmp_path / "missing", "train it again")
    with pytest.raises(PredictionError, match="it is a folder"):
        read_tensors(tmp_path, "train it again")


def test_later_versions_are_refused(file, monkeypatch):
    monkeypatch.setattr(tensor_file, "VERSION", 2)
    write_tensors(file, ABOUT, TENSORS)
    monkeypatch.undo()
    with pytest.raises(PredictionError, match="has version 2, and this toolkit reads 1"):
        read_tensors(file, "update it")


def test_what_it_is_about_is_read_without_the_tensors(file, tmp_path):
    assert read_about(file) == read_tensors(file, "")[0]
    whole = file.read_bytes()
    for content in (b"", whole[:20], b"\xff" * 100, bytes(8) + whole):
        file.write_bytes(content)
        assert read_about(file) is None
    save_file(TENSORS, file)
    assert read_about(file) is None
    assert read_about(tmp_path / "missing") is None
