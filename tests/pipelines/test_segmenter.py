"""`make segmenter` as a user types it: a file that make cells takes, and errors on one line."""

import cv2
import numpy as np
import pytest
import tifffile

from comp.cells.image_files import parse_stains
from comp.cells.labelled_fields import find_labelled
from comp.cells.segmenter_file import read_segmenter
from comp.training import segmenter_fields
from comp.training.segmenter_training import Settings
from tests.unit.training.test_segmenter_training import write_fields


@pytest.fixture
def small(monkeypatch):
    """Few painted fields, and a tiny network."""
    monkeypatch.setattr(segmenter_fields, "PAINTED", segmenter_fields.PAINTED.model_copy(update={"train": 140}))
    monkeypatch.setattr(segmenter_fields, "MOST", 3)
    monkeypatch.setattr(Settings.__init__, "__defaults__", ("test_resnet", (16, 8, 8), 3, 2, 2e-3, 0, 1, False))


def test_a_trained_segmenter_segments(project, tmp_path, small):
    data = write_fields(tmp_path / "fields")
    ended = project.call("segmenter", "--data", str(data), "--out", "mine.safetensors", "--steps", "3")
    assert ended.returncode == 0, ended.stderr
    assert "wrote mine.safetensors; score it: make score-cells" in ended.stdout
    assert sorted(path.name for path in project.root.glob("mine*")) == ["mine.safetensors"]
    scored = project.call("score_cells", "--data", str(data), "--segmenter", "mine.safetensors")
    assert scored.returncode == 0, scored.stderr
    assert [line.split("  ")[0] for line in scored.stdout.splitlines()[1:]] == [
        f"{name}, nuclei{part}" for name in ("segmenter", "Otsu and watershed") for part in ("", ", held out")
    ]
    further = project.call("segmenter", "--data", str(data), "--out", "more.safetensors", "--segmenter", "mine.safetensors", "--steps", "2")
    assert further.returncode == 0, further.stderr
    assert read_segmenter(project.root / "more.safetensors").network.backbone == "test_resnet"
    otsu = scored.stdout.splitlines()[-1].split()
    assert float(otsu[otsu.index("out") + 2]) == pytest.approx(1)  # discs on black are easy
    assert np.isfinite(float(scored.stdout.splitlines()[1].split()[3]))


def test_a_folder_in_place_of_a_file_and_images_that_are_all_held_out_are_one_line_at_once(project, tmp_path, small):
    data = write_fields(tmp_path / "fields")
    (project.root / "out").mkdir()
    assert "OUT=out is a folder: name a file" in project.refused(project.call("segmenter", "--data", str(data), "--out", "out"))
    for image in find_labelled(data, parse_stains("")):
        if not image.held_out:
            image.image.files[""].unlink()
    ended = project.call("segmenter", "--data", str(data), "--out", "mine.safetensors")
    assert "are held out, by the CRC-32 of their names" in project.refused(ended)
    assert "painting" not in ended.stderr


def test_labels_below_0_are_background(tmp_path):
    data = write_fields(tmp_path / "fields", count=1)
    truth = cv2.imread(str(data / "n0_labels.png"), cv2.IMREAD_UNCHANGED).astype(np.int32)
    stains = parse_stains("")
    expected = find_labelled(data, stains)[0].read(stains)[1]
    (data / "n0_labels.png").unlink()
    tifffile.imwrite(data / "n0_labels.tif", np.where(truth, truth, -1))
    np.testing.assert_array_equal(find_labelled(data, stains)[0].read(stains)[1], expected)
    assert expected.min() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "DATA is missing: type: make segmenter DATA=dir"),
        (["--data", "nowhere"], "there is no folder nowhere"),
        (["--data", ".", "--segmenter", "none.safetensors"], "there is no none.safetensors: make it again: make segmenter DATA=dir"),
        (["--data", ".", "--segmenter", "configs/competitions/tiny.yaml"], "tiny.yaml is damaged: it cannot be read as safetensors"),
        (["--data", "data/tiny/train"], "no image in data/tiny/train has a true mask in data/tiny/train"),
    ],
)
def test_mistakes_are_one_line(project, arguments, message):
    assert message in project.refused(project.call("segmenter", *arguments))
