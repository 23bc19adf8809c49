"""Models that see cells as a user trains them, stacks them and lets them predict new images; and the facts of cells in a stack."""

import contextlib
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from comp.base.files import write_json
from comp.base.paths import Paths
from comp.cells import cell_source, competition_cells, packaged, segmenter_file
from comp.cells.segment_folder import STAMPS
from comp.competition.competition import load_competition
from comp.images.crops import open_crops
from comp.inference.tensor_file import read_tensors
from comp.metrics.logits import sigmoid
from comp.models.segmenter_network import SegmenterNetwork
from comp.predictions.prediction_file import read_predictions
from tests.conftest import Project
from tests.tiny_competition import CHANNELS, make_tiny_competition

CELLS = """
like: tiny
trainer: cells
size: 32
cells: 3
frozen: true
hidden: 16
augmentation: {name: none}
train: {epochs: 2, precision: fp32}
"""
FOLDS = range(3)
LAST = "image-35"  # in which no cell is found


@pytest.fixture(scope="module", autouse=True)
def _segmenter(tmp_path_factory):
    """An untrained segmenter in the place of the packaged one: masks are planted below, so none are made by it unless asked for."""
    path = tmp_path_factory.mktemp("segmenter") / "untrained.safetensors"
    segmenter_file.write_segmenter(path, SegmenterNetwork("test_resnet", (8, 8, 8, 8)), {"note": "untrained"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_source, "PACKAGED", path)
        yield


def plant(root, split, image_id, centres):
    """Masks of an image, instead of those that the segmenter makes."""
    nuclei, cells = (np.zeros((32, 32), np.uint16) for _ in range(2))
    for number, centre in enumerate(centres, start=1):
        cv2.circle(cells, centre, 5, number, -1)
        cv2.circle(nuclei, centre, 2, number, -1)
    for kind, labels in (("nuclei", nuclei), ("cells", cells)):
        cv2.imwrite(str(root / f"data/tiny.cells/{split}/masks/{image_id}_{kind}.png"), labels)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The tiny competition with the models `tiny` and `seeing`, and known cells."""
    root = tmp_path_factory.mktemp("cells")
    make_tiny_competition(root)
    (root / "configs/models/seeing.yaml").write_text(CELLS)
    project = Project(root)
    well(project.call("cells", "--competition", "tiny"))
    generator = np.random.default_rng(0)
    for split, numbers in (("train", range(36)), ("test", range(36, 42))):
        for number in numbers:
            count = 0 if f"image-{number}" == LAST else generator.integers(1, 5)
            plant(root, split, f"image-{number:02d}", [tuple(map(int, generator.integers(4, 28, 2))) for _ in range(count)])
    for model in ("tiny", "seeing"):
        well(project.call("models", "--competition", "tiny", "--models", model, "--workers", "1", "--set", "train.epochs=2"))
    return root


@pytest.fixture
def project(trained, tmp_path):
    """A copy. Its files are other ones, so the planted masks are said to be made with them; else they would be made again."""
    root = tmp_path / "project"
    shutil.copytree(trained, root)
    with contextlib.chdir(root):
        competition, paths = load_competition("tiny"), Paths("tiny")
        for split in ("train", "test"):
            job = competition_cells.cell_source(competition, paths, split).job(paths.cells(split))
            write_json(job.out / STAMPS, job.stamps())
    return Project(root)


def well(ended):
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_prediction_files_hold_images_and_others_their_cells(trained):
    folder, crops = (
        trained / "oof/tiny/seeing",
        {split: open_crops(Paths("tiny", trained).crops(split, "32px-3-3")) for split in ("train", "test")},
    )
    assert crops["train"].cells[crops["train"].ids.index(LAST) + 0 - len(crops["train"].ids)] == 0  # the last image is its own only crop
    for fold in FOLDS:
        held_out = read_predictions(folder / f"fold-{fold}.parquet")
        table = pq.read_table(folder / f"cells-{fold}.parquet").to_pandas()
        assert list(table.columns) == ["id", "fold", "cell", "round", "bright", "striped"]
        assert set(table["id"]) == {*held_out.ids, *crops["test"].ids}
        assert set(table.loc[table["fold"] == -1, "id"]) == set(crops["test"].ids)
        for split in crops:
            for row, image_id in enumerate(crops[split].ids):
                if image_id in set(table["id"]):
                    expected = crops[split].cells[crops[split].images.places(np.array([row]))]
                    assert list(table.loc[table["id"] == image_id, "cell"]) == list(expected)
        alone = table[table.groupby("id")["id"].transform("size") == 1].set_index("id")  # the image is as its only cell
        for image_id, logits in zip(held_out.ids, held_out.logits, strict=True):
            if image_id in alone.index:
                np.testing.assert_allclose(alone.loc[image_id, ["round", "bright", "striped"]].astype(float), sigmoid(logits), atol=1e-4)


def test_a_finished_model_is_left_alone_and_changed_images_are_noticed(project):
    again = ("--competition", "tiny", "--model", "seeing", "--fold", "0", "--set", "train.epochs=2")
    assert "complete, nothing to do" in well(project.call("fold", *again))
    assert "span=3" in project.refused(project.call("fold", *again[:-1], "train.epochs=2 span=2"))
    path = project.root / "data/tiny/train/image-05_green.png"
    cv2.imwrite(str(path), 255 - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    assert "1 train image differs: image-05" in project.refused(project.call("fold", *again))


def test_the_same_command_gives_the_same_bytes(project):
    before = {path.name: path.read_bytes() for path in (project.root / "oof/tiny/seeing").glob("*-0.*") if path.suffix != ".json"}
    for path in (project.root / "oof/tiny/seeing").glob("*-0.*"):
        path.unlink()
    for folder in (project.root / "data/tiny.cells").glob("*px*"):
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    well(project.call("fold", "--competition", "tiny", "--model", "seeing", "--fold", "0", "--set", "train.epochs=2"))
    assert set(before) == {"fold-0.parquet", "test-0.parquet", "cells-0.parquet", "weights-0.safetensors"}
    for name, content in before.items():
        assert (project.root / "oof/tiny/seeing" / name).read_bytes() == content, name


def test_it_stacks_predicts_new_images_and_says_what_it_cannot(project):
    (project.root / "configs/stacks/all.yaml").write_text("blenders: [{name: mean}]\nthresholds: [{name: exact}]\nbootstraps: 100\n")
    assert "stacking 2 models" in well(project.call("stack", "--competition", "tiny", "--stack", "all"))
    predict = ("--competition", "tiny", "--models", "seeing")
    masks = {path: path.read_bytes() for path in (project.root / "data/tiny.cells/test/masks").iterdir()}
    with pytest.MonkeyPatch.context() as patch:  # new images get the cells that are planted for them
        from comp.cells import new_cells

        def planted(job):
            job.nuclei(job.images[0]).parent.mkdir(parents=True)
            for path, content in masks.items():
                (job.out / "masks" / path.name).write_bytes(content)

        patch.setattr(new_cells, "find_cells", planted)
        well(project.call("predict", *predict, "--out", "new.csv", "--data", "data/tiny/test"))
    found = pd.read_parquet(project.root / "new.parquet").set_index("Id")
    of_folds = [read_predictions(project.root / f"oof/tiny/seeing/test-{fold}.parquet") for fold in FOLDS]
    mean = sigmoid(np.mean([each.logits for each in of_folds], axis=0))
    np.testing.assert_allclose(found.loc[list(of_folds[0].ids)], mean, atol=1e-4)
    refused = project.refused(project.call("plan", "--competition", "tiny", "--model", "seeing"))
    assert "seeing sees cells, and what they cost cannot be planned yet" in refused


def test_new_images_are_segmented_too(project):
    well(project.call("predict", "--competition", "tiny", "--models", "seeing", "--out", "new.csv", "--data", "data/tiny/test"))
    assert len(pd.read_csv(project.root / "new.csv")) == 6
    assert not list(project.root.glob(".new*"))


def test_a_package_finds_cells_as_make_predict_does(project, monkeypatch):
    monkeypatch.setattr(cell_source, "PACKAGED", packaged.PACKAGED)
    models = ("--competition", "tiny", "--models", "seeing")
    well(project.call("predict", *models, "--out", "new.csv", "--data", "data/tiny/test"))
    well(project.call("package", *models, "--out", "packed"))
    script = [sys.executable, "packed/predict.py", "--images", "data/tiny/test", "--out", "packed.csv", "--probabilities", "chances.csv"]
    subprocess.run(script, cwd=project.root, check=True)
    assert (project.root / "packed.csv").read_bytes() == (project.root / "new.csv").read_bytes()
    here, there = pd.read_parquet(project.root / "new.parquet"), pd.read_csv(project.root / "chances.csv")
    np.testing.assert_allclose(there.iloc[:, 1:], here.iloc[:, 1:], atol=1e-6)
    needed = (project.root / "packed/requirements.txt").read_text()
    assert all(name in needed for name in ("scikit-image", "scipy", "segmentation-models-pytorch", "timm"))
    assert "pyarrow" not in needed


def test_the_whole_network_trains_on_bags_too(project):
    typed = ("--competition", "tiny", "--model", "seeing", "--fold", "0", "--as", "whole")
    whole = "frozen=false augmentation.name=dihedral tta=2 train.epochs=1"
    well(project.call("fold", *typed, "--set", whole))
    about, _ = read_tensors(project.root / "oof/tiny/whole/weights-0.safetensors", "")
    assert about["network"]["frozen"] is False
    assert len(read_predictions(project.root / "oof/tiny/whole/fold-0.parquet").ids) > 0


def test_facts_of_cells_are_features_of_a_stack(project):
    out = well(project.call("cells", "--competition", "tiny"))
    assert "features: [data/tiny.cells/facts.parquet]" in out
    table = pd.read_parquet(project.root / "data/tiny.cells/facts.parquet").set_index("Id")
    assert len(table) == 42
    for image_id, facts in table.iterrows():
        split = "test" if int(image_id[-2:]) >= 36 else "train"
        nuclei = cv2.imread(str(project.root / f"data/tiny.cells/{split}/masks/{image_id}_nuclei.png"), cv2.IMREAD_UNCHANGED)
        assert facts["cells"] == len(np.unique(nuclei)) - 1
    assert np.isnan(table.loc[LAST, "cell_area"])
    recipe = "blenders: [{name: lightgbm}]\nthresholds: [{name: exact}]\nbootstraps: 100\n"
    (project.root / "configs/stacks/facts.yaml").write_text(f"{recipe}features: [data/tiny.cells/facts.parquet]\n")
    well(project.call("stack", "--competition", "tiny", "--stack", "facts"))


def test_without_green_its_facts_are_empty_and_without_blue_there_are_no_cells(project):
    path = project.root / "configs/competitions/tiny.yaml"
    text = path.read_text()
    assert load_competition("tiny", project.root).images.channels == CHANNELS
    path.write_text(f"{text}images: {{channels: [red, blue]}}\n")
    shutil.rmtree(project.root / "data/tiny.cells")
    well(project.call("cells", "--competition", "tiny"))
    assert pd.read_parquet(project.root / "data/tiny.cells/facts.parquet")["green"].isna().all()
    path.write_text(f"{text}images: {{channels: [red, green]}}\n")
    error = project.refused(project.call("cells", "--competition", "tiny"))
    assert "cells are found by their nuclei, and none of the channels red, green is blue" in error


def test_masks_of_another_segmenter_are_refused(project, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        other = tmp_path / "other.safetensors"
        segmenter_file.write_segmenter(other, SegmenterNetwork("test_resnet", (8, 8, 8, 8)), {"note": "another"})
        patch.setattr(cell_source, "PACKAGED", other)
        error = project.refused(project.call("cells", "--competition", "tiny"))
    assert (
        "data/tiny.cells/train holds masks that were made with other settings or another segmenter: remove data/tiny.cells/train" in error
    )
