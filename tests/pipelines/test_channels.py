"""A model that draws missing channels, as a user types it: training, `make channels`, and models that use it."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import chdir

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from comp.cells.packaged import PACKAGED
from comp.models.segmenter_network import MAPS
from comp.predictions.embeddings import read_embeddings
from comp.predictions.prediction_file import read_predictions
from comp.training.engines.shipping import shared_files
from comp.training.fold_job import FoldJob
from tests.conftest import Project
from tests.tiny_competition import CHANNELS, make_tiny_competition

DRAWING = """
trainer: channels
backbone: test_resnet
initial_weights: scratch
size: 32
decoder: [16, 8]
crop: 24
embedding: 8
votes: {count: 4}
train: {epochs: 2, batch_size: 8, lr: 3.0e-3}
"""
MAPPED = """
trainer: cascade
backbone: test_resnet
initial_weights: scratch
size: 32
embeddings: [draws]
maps: [draws, segmenter]
votes: {count: 3}
train: {epochs: 1, batch_size: 8, precision: fp32}
"""
FILES = ("weights-{}.safetensors", "voters-{}.safetensors", "embeddings-{}.parquet", "fold-{}.parquet", "test-{}.parquet")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("channels"))
    make_tiny_competition(project.root)
    (project.root / "configs/models/draws.yaml").write_text(DRAWING)
    (project.root / "configs/models/near.yaml").write_text("trainer: neighbours\nembeddings: [draws]\nvotes: {count: 3}\n")
    (project.root / "configs/models/mapped.yaml").write_text(MAPPED)
    ended = project.call("models", "--competition", "tiny", "--models", "near", "draws", "mapped", "tiny", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    return project.root


@pytest.fixture
def drawing(trained_once, tmp_path):
    shutil.copytree(trained_once, tmp_path / "project")
    return Project(tmp_path / "project")


def read_folds(project):
    return pd.read_csv(project.root / "oof/tiny/folds.csv", index_col=0)


def bytes_of(project, fold):
    return {name: (project.root / "oof/tiny/draws" / name.format(fold)).read_bytes() for name in FILES}


def test_it_is_a_model_like_others(drawing):
    found = read_embeddings(drawing.root / "oof/tiny/draws/embeddings-0.parquet")
    assert found.vectors.shape == (42, 8)
    assert read_predictions(drawing.root / "oof/tiny/near/fold-0.parquet").provenance.depends_on.keys() == {"draws"}
    assert "complete, nothing to do" in drawing.call("fold", "--competition", "tiny", "--model", "draws", "--fold", "0").stdout
    stacked = drawing.call("stack", "--competition", "tiny")
    assert "stacking 4 models on 36 rows in 3 folds: draws, mapped, near, tiny" in stacked.stdout
    labelled = drawing.call("predict", "--competition", "tiny", "--models", "draws", "near")
    assert labelled.returncode == 0, labelled.stderr
    assert "draws" in drawing.call("neighbours", "--competition", "tiny", "--models", "draws").stdout
    assert "draws" in drawing.call("runs", "--competition", "tiny").stdout
    planned = drawing.call("plan", "--competition", "tiny", "--model", "draws", "--workers", "1")
    assert planned.returncode == 0, planned.stderr


def test_what_it_and_the_segmenter_draw_is_input_channels_of_a_cascade(drawing):
    planned = drawing.call("plan", "--competition", "tiny", "--model", "mapped", "--workers", "1")
    assert planned.returncode == 0, planned.stderr
    for fold in range(3):
        folder = drawing.root / "oof/tiny"
        of_cascade, own = (load_file(folder / model / f"weights-{fold}.safetensors") for model in ("mapped", "draws"))
        inside = {name.removeprefix("maps.0."): tensor for name, tensor in of_cascade.items() if name.startswith("maps.0.")}
        assert inside.keys() == own.keys()
        assert all(torch.equal(inside[name], own[name]) for name in own)  # it learns nothing more, and no other fold's is taken
        for name, tensor in load_file(PACKAGED).items():
            assert torch.equal(of_cascade[f"maps.1.network.{name}"], tensor.float() if tensor.is_floating_point() else tensor)
        assert of_cascade["features.mean"].shape == (2 * len(CHANNELS) + len(MAPS),)
        made = read_predictions(folder / f"mapped/fold-{fold}.parquet").provenance
        assert made.depends_on.keys() == {"draws", "segmenter"}
    with chdir(drawing.root):
        shipped = set(shared_files(FoldJob("tiny", "mapped", 1)))
    assert {"comp/cells/segmenter.safetensors", "oof/tiny/draws/weights-1.safetensors"} <= shipped
    out = drawing.root / "labels.csv"
    assert drawing.call("predict", "--competition", "tiny", "--models", "mapped", "--out", str(out)).returncode == 0
    files = [read_predictions(drawing.root / f"oof/tiny/mapped/test-{fold}.parquet") for fold in range(3)]
    logits = np.mean([file.logits for file in files], axis=0)
    np.testing.assert_allclose(pd.read_parquet(out.with_suffix(".parquet")).iloc[:, 1:], 1 / (1 + np.exp(-logits)), atol=1e-4)
    packaged = drawing.call("package", "--competition", "tiny", "--models", "mapped", "--out", "packed")
    assert packaged.returncode == 0, packaged.stderr
    script = [sys.executable, "packed/predict.py", "--images", "data/tiny/test", "--out", "packed.csv"]
    subprocess.run(script, cwd=drawing.root, check=True, env={"PATH": os.environ["PATH"]})
    assert (drawing.root / "packed.csv").read_bytes() == out.read_bytes()
    assert "segmentation_models_pytorch" in (drawing.root / "packed/requirements.txt").read_text().replace("-", "_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("maps=[near]", "maps are drawn by models that `embeddings` names too; add near there"),
        (
            "maps=[segmenter] embeddings=[segmenter]",
            "`segmenter` in `maps` is the packaged network; give the model of this name another one",
        ),
        ("channels=[red]", "maps are drawn from all channels of the competition; leave `channels` out"),
        ("size=34", 'draws draws no maps of 34 px: it halves them 2 times: use SET="size=32"'),
    ],
)
def test_maps_that_cannot_be_drawn_are_one_line(drawing, settings, message):
    ended = drawing.call("models", "--competition", "tiny", "--models", "mapped", "--set", settings, "--as", "other")
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_network_of_other_folds_draws_no_maps(drawing):
    weights = drawing.root / "oof/tiny/draws/weights-0.safetensors"
    shutil.copyfile(drawing.root / "oof/tiny/draws/weights-1.safetensors", weights)
    retrained = drawing.call("fold", "--competition", "tiny", "--model", "mapped", "--fold", "0", "--retrain")
    assert retrained.returncode == 2
    assert "holds no network of draws fold 0 for the present folds and train table: train it again: make fold-0" in retrained.stderr
    weights.unlink()
    missing = drawing.call("fold", "--competition", "tiny", "--model", "mapped", "--fold", "0", "--retrain")
    assert missing.returncode == 2
    assert "there is no oof/tiny/draws/weights-0.safetensors: train it again" in missing.stderr


def test_its_predictions_on_new_images_are_those_of_the_test_images(drawing):
    out = drawing.root / "labels.csv"
    assert drawing.call("predict", "--competition", "tiny", "--models", "draws", "--out", str(out)).returncode == 0
    table = pd.read_parquet(out.with_suffix(".parquet"))
    files = [read_predictions(drawing.root / f"oof/tiny/draws/test-{fold}.parquet") for fold in range(3)]
    logits = np.mean([file.logits for file in files], axis=0)
    np.testing.assert_allclose(table.iloc[:, 1:], 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_held_out_pixels_and_labels_reach_no_weights(drawing):
    """All images and labels of fold 0 are replaced; the fold map stays."""
    before = bytes_of(drawing, 0)["weights-{}.safetensors"]
    folds = read_folds(drawing)
    held_out = folds.index[folds["fold"] == 0]
    assert len(held_out) > 5
    for name in held_out:
        for channel in CHANNELS:
            path = drawing.root / f"data/tiny/train/{name}_{channel}.png"
            cv2.imwrite(str(path), 255 - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    ended = drawing.call("fold", "--competition", "tiny", "--model", "draws", "--fold", "0", "--retrain")
    assert ended.returncode == 0, ended.stderr
    after = bytes_of(drawing, 0)["weights-{}.safetensors"]
    assert after != before  # it names other images
    assert tensors(after) == tensors(before)


def tensors(file):
    """What follows the header, which names the images."""
    return file[8 + int.from_bytes(file[:8], "little") :]


def test_the_table_and_the_picture_are_of_the_folds_that_are_trained(drawing):
    (drawing.root / "oof/tiny/draws/weights-1.safetensors").unlink()
    ended = drawing.call("channels", "--competition", "tiny", "--model", "draws")
    assert ended.returncode == 0, ended.stderr
    assert "note: 2 of 3 folds are trained" in ended.stdout
    for words in ("peak signal-to-noise ratio, dB", "structural similarity", "correlation", "copying", "regression"):
        assert words in ended.stdout
    assert re.search(r"better than both baselines in \d+ of 48, by more than two standard errors in \d+", ended.stdout)
    table = pd.read_csv(drawing.root / "runs/tiny/drawn-channels/draws.csv")
    assert len(table) == 48
    assert (table["images"] == read_folds(drawing)["fold"].isin([0, 2]).sum()).all()
    assert cv2.imread(str(drawing.root / "runs/tiny/drawn-channels/draws.png")).std() > 10


def test_other_images_are_drawn_by_all_networks_together(drawing):
    ended = drawing.call("channels", "--competition", "tiny", "--model", "draws", "--data", "data/tiny/test")
    assert ended.returncode == 0, ended.stderr
    (file,) = drawing.root.glob("runs/tiny/drawn-channels/draws-test-*.csv")
    assert (pd.read_csv(file)["images"] == 6).all()
    assert file.with_suffix(".png").exists()
    assert "note:" not in ended.stdout
    seen = drawing.call("channels", "--competition", "tiny", "--model", "draws", "--data", "data/tiny/train")
    assert "note: 36 of these images are in the train table, so networks were trained on them" in seen.stdout
    (drawing.root / "black").mkdir()
    for channel in CHANNELS:
        cv2.imwrite(str(drawing.root / f"black/a_{channel}.png"), np.zeros((32, 32), np.uint8))
    error = drawing.refused(drawing.call("channels", "--competition", "tiny", "--model", "draws", "--data", "black"))
    assert "every channel of the images is black, so there is nothing to score" in error
    (drawing.root / "data/tiny/test/image-40_green.png").unlink()
    error = drawing.refused(drawing.call("channels", "--competition", "tiny", "--model", "draws", "--data", "data/tiny/test"))
    assert "1 of 6 images cannot be used: data/tiny/test/image-40_green.png is missing" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("channels", "--model", "tiny"), "tiny draws no channels: name a model with `trainer: channels`"),
        (("channels", "--model", "channels-unet"), "channels-unet has no trained network in oof/tiny/channels-unet: train it: make model"),
        (("channels", "--model", "draws", "--data", "nowhere"), "there is no folder nowhere"),
        (("fold", "--model", "draws", "--fold", "0", "--set", "channels=[red]"), "sees all channels of the competition"),
        (("fold", "--model", "draws", "--fold", "0", "--set", "decoder=[16,-1]"), "write the width of each level"),
    ],
)
def test_mistakes_are_one_line(drawing, arguments, message):
    command, *more = arguments
    assert message in drawing.refused(drawing.call(command, "--competition", "tiny", *more))


def test_a_network_of_other_channels_is_not_trained_further(drawing):
    yaml = (drawing.root / "configs/competitions/tiny.yaml").read_text().replace("data/tiny", "data/other")
    shutil.copytree(drawing.root / "data/tiny", drawing.root / "data/other")
    path = drawing.root / "configs/competitions/other.yaml"
    typed = ("fold", "--competition", "other", "--model", "draws", "--fold", "0", "--set")
    weights = "initial_weights=oof/tiny/draws/weights-0.safetensors train.epochs=1"
    path.write_text(yaml)
    assert drawing.call("folds", "--competition", "other").returncode == 0
    path.write_text(yaml + "images: {channels: [blue, green, red, yellow]}\n")
    assert "name the same in the same order as `channels`" in drawing.refused(drawing.call(*typed, weights))
    path.write_text(yaml)
    ended = drawing.call(*typed, weights)
    assert ended.returncode == 0, ended.stderr


def test_weights_that_saw_the_held_out_rows_start_no_network_whatever_they_are_called(drawing):
    own = drawing.root / "oof/tiny/draws/weights-1.safetensors"
    shutil.copyfile(own, drawing.root / "weights.bin")
    (drawing.root / "link").symlink_to(own)
    shutil.copyfile(drawing.root / "configs/competitions/tiny.yaml", drawing.root / "configs/competitions/same.yaml")
    assert drawing.call("folds", "--competition", "same").returncode == 0
    for competition in ("tiny", "same"):  # with another name, and the same train table
        for file in ("weights.bin", "link"):
            typed = ("fold", "--competition", competition, "--model", "draws", "--fold", "0", "--as", f"{competition}-{file}")
            line = drawing.refused(drawing.call(*typed, "--set", f"initial_weights={file} train.epochs=1"))
            assert f"initial_weights: {file} was trained on rows of fold 0, which " in line


def test_a_network_of_another_fold_or_size_draws_nothing(drawing):
    folder, typed = drawing.root / "oof/tiny/draws", ("channels", "--competition", "tiny", "--model", "draws")
    whole = (folder / "weights-0.safetensors").read_bytes()
    shutil.copyfile(folder / "weights-1.safetensors", folder / "weights-0.safetensors")
    line = drawing.refused(drawing.call(*typed))
    assert "oof/tiny/draws/weights-0.safetensors was trained as fold 1 of draws: train it again: make model COMP=tiny MODEL=draws" in line
    (folder / "weights-0.safetensors").write_bytes(whole)
    for name in ("fold", "test", "embeddings"):
        (folder / f"{name}-0.parquet").unlink()
    (folder / "weights-0.safetensors").unlink()
    for other in (1, 2):
        for name in ("fold", "test", "embeddings"):
            (folder / f"{name}-{other}.parquet").unlink()
    larger = ("fold", "--competition", "tiny", "--model", "draws", "--fold", "0", "--set", "size=64 train.epochs=1", "--retrain")
    ended = drawing.call(*larger)
    assert ended.returncode == 0, ended.stderr
    assert "the folds of draws draw images of 32 and 64 px: train all of them alike" in drawing.refused(drawing.call(*typed))
