"""The remarks on images are said once, whatever has become of the file that keeps them."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.base.errors import DataError
from comp.base.paths import SHIPPED, Paths
from comp.competition.competition import load_competition
from comp.competition.image_cache import prepare_cache
from tests.tiny_competition import make_tiny_competition


def test_remarks_are_said_again_if_their_file_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tiny_competition(tmp_path)
    cv2.imwrite(str(tmp_path / "data/tiny/train/image-03_red.png"), np.zeros((32, 32), np.uint8))
    monkeypatch.chdir(tmp_path)
    competition, paths = load_competition("tiny"), Paths("tiny")
    remark = "note: 1 remarks on images, all in data/tiny.cache/train-32-remarks.csv: image-03 (all black: red)"

    def said() -> bool:
        prepare_cache(competition, paths, "train", 32)
        return remark in capsys.readouterr().out

    file = Path("data/tiny.cache/train-32-remarks.csv")
    assert said()
    assert not said()
    whole = file.read_bytes()
    for damaged in (b"", b"\x82\xff", whole[:-3]):
        file.write_bytes(damaged)
        assert said()
        assert file.read_bytes() == whole


def test_a_shipped_cache_is_used_without_its_images_unless_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_competition(tmp_path)
    monkeypatch.chdir(tmp_path)
    competition, paths = load_competition("tiny"), Paths("tiny")
    expected = prepare_cache(competition, paths, "train", 32).fingerprint
    Path(SHIPPED).touch()
    shutil.rmtree("data/tiny/train")
    assert prepare_cache(competition, paths, "train", 32, verify=True).fingerprint == expected
    pixels = Path("data/tiny.cache/train-32/images.u8")
    pixels.write_bytes(b"\xff" + pixels.read_bytes()[1:])
    with pytest.raises(DataError, match=r"data/tiny.cache/train-32, a copy on .*, is damaged: remove it there"):
        prepare_cache(competition, paths, "train", 32, verify=True)
