"""`make fill`, as a user types it: what is drawn and by whom, and what is not."""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.conftest import Project
from tests.pipelines.test_channels import DRAWING, read_folds
from tests.tiny_competition import CHANNELS, make_tiny_competition


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("fill"))
    make_tiny_competition(project.root)
    (project.root / "configs/models/draws.yaml").write_text(DRAWING.replace("epochs: 2", "epochs: 1"))
    ended = project.call("models", "--competition", "tiny", "--models", "draws", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    return project.root


@pytest.fixture
def drawing(trained_once, tmp_path):
    return Project(shutil.copytree(trained_once, tmp_path / "project"))


def fill(project, *typed):
    return project.call("fill", "--competition", "tiny", "--model", "draws", *typed)


def test_filling_writes_what_lacks_marks_it_and_changes_nothing_else(drawing):
    folder, out = drawing.root / "new", drawing.root / "filled"
    shutil.copytree(drawing.root / "data/tiny/train", folder)
    (folder / "image-03_red.png").unlink()
    cv2.imwrite(str(folder / "image-04_yellow.png"), np.zeros((32, 32), np.uint8))
    cv2.imwrite(str(folder / "wide_green.png"), np.random.default_rng(0).integers(900, 50_000, (40, 72)).astype(np.uint16))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    typed = ("--data", str(folder), "--out", str(out))
    ended = fill(drawing, *typed)
    assert ended.returncode == 0, ended.stderr
    assert f"wrote 5 channels of 3 of 37 images to {out}" in ended.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    table = pd.read_csv(out / "imputed.csv", dtype=str)
    assert table["file"].tolist() == [
        "image-03_red.png",
        "image-04_yellow.png",
        *(f"wide_{name}.png" for name in ("red", "blue", "yellow")),
    ]
    assert table["why"].tolist() == ["missing", "black", *["missing"] * 3]
    own = read_folds(drawing)["fold"].astype(str)
    assert table["folds"].tolist() == [own["image-03"], own["image-04"], *["0+1+2"] * 3]
    assert cv2.imread(str(out / "wide_red.png"), cv2.IMREAD_UNCHANGED).shape == (40, 72)
    assert f"{out} exists" in drawing.refused(fill(drawing, *typed))


def test_drawn_channels_are_never_taken_for_real_ones(drawing):
    folder = drawing.root / "data/tiny/test"
    (folder / "image-40_red.png").unlink()
    assert fill(drawing, "--data", "data/tiny/test", "--out", "out").returncode == 0
    shutil.copytree(drawing.root / "out", folder / "inside")
    shutil.copytree(drawing.root / "out", folder / "inside/deeper")
    again = fill(drawing, "--data", "data/tiny/test", "--out", "again")
    assert again.returncode == 0, again.stderr
    assert "note: 2 image files are left out: they lie in folders of drawn channels, which hold imputed.csv" in again.stdout
    assert (drawing.root / "again/imputed.csv").read_bytes() == (drawing.root / "out/imputed.csv").read_bytes()
    error = drawing.refused(fill(drawing, "--data", "out", "--out", "more"))
    assert "out holds drawn channels: imputed.csv lists them: let DATA be a folder of images without drawn channels" in error


def test_images_in_a_folder_above_that_of_the_train_images_are_known(drawing):
    (drawing.root / "data/tiny/train/image-03_red.png").unlink()
    (drawing.root / "data/tiny/test/image-40_red.png").unlink()
    ended = fill(drawing, "--data", "data/tiny", "--out", "out")
    assert ended.returncode == 0, ended.stderr
    table = pd.read_csv(drawing.root / "out/imputed.csv", dtype=str).set_index("id")
    assert table["folds"].to_dict() == {"test/image-40": "0+1+2", "train/image-03": str(read_folds(drawing)["fold"]["image-03"])}


def test_images_with_ids_in_decomposed_unicode_are_known(drawing):
    """As macOS writes names: the networks are those of such a train table."""
    table = drawing.root / "data/tiny/train.csv"
    for path in (table, drawing.root / "data/tiny/antibodies.csv", drawing.root / "oof/tiny/folds.csv"):
        path.write_text(path.read_text().replace("image-03", "image-e\u0301"))
    folder = drawing.root / "data/tiny/train"
    for channel in CHANNELS:
        (folder / f"image-03_{channel}.png").rename(folder / f"image-e\u0301_{channel}.png")
    trained = drawing.call("models", "--competition", "tiny", "--models", "draws", "--workers", "1", "--retrain")
    assert trained.returncode == 0, trained.stderr
    seen = drawing.call("channels", "--competition", "tiny", "--model", "draws", "--data", "data/tiny")
    assert "note: 36 of these images are in the train table" in seen.stdout
    (folder / "image-e\u0301_red.png").unlink()
    ended = fill(drawing, "--data", "data/tiny/train", "--out", "out")
    assert ended.returncode == 0, ended.stderr
    filled = pd.read_csv(drawing.root / "out/imputed.csv", dtype=str)
    assert filled["folds"].tolist() == [str(read_folds(drawing)["fold"]["image-e\u0301"])]


def test_no_network_fills_an_image_that_it_was_trained_on(drawing):
    fold = read_folds(drawing)["fold"]["image-03"]
    (drawing.root / f"oof/tiny/draws/weights-{fold}.safetensors").unlink()
    (drawing.root / "data/tiny/train/image-03_red.png").unlink()
    error = drawing.refused(fill(drawing, "--data", "data/tiny/train", "--out", "out"))
    assert (
        f"image-03 is drawn by fold {fold} of draws, which never saw it and is not trained: type: make fold-{fold} COMP=tiny MODEL=draws"
        in error
    )
    assert not (drawing.root / "out").exists()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ((), "DATA and OUT are needed: type: make fill COMP=tiny MODEL=draws DATA=dir OUT=new-dir"),
        (("--data", "nowhere", "--out", "out"), "there is no folder nowhere"),
        (("--data", "data/tiny", "--out", "data/tiny/new"), "OUT=data/tiny/new lies in DATA=data/tiny: choose another OUT"),
        (("--data", "configs", "--out", "out"), "configs holds no image of tiny (0 image files in all)"),
    ],
)
def test_mistakes_are_one_line(drawing, typed, message):
    assert message in drawing.refused(fill(drawing, *typed))
    assert not (drawing.root / "out").exists()
