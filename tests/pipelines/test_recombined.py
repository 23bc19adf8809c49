"""`make synthesize SOURCE=recombined`: rows made of each fold's training images alone, by its own network, killed and resumed."""

import json
import shutil
from contextlib import chdir

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.base.files import hash_file
from comp.cells.packaged import PACKAGED
from comp.inference.weights import read_weights
from comp.synthesis import set_writer
from tests.conftest import Project
from tests.pipelines.test_channels import DRAWING
from tests.pipelines.test_synthesize import SMALL, counts, images_of
from tests.tiny_competition import CHANNELS, make_tiny_competition

RECOMBINE = ("--competition", "small", "--source", "recombined", "--model", "draws", "--below", "7", "--target", "8")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A small practice competition with a trained model that draws channels, and a set of recombined rows."""
    project = Project(tmp_path_factory.mktemp("recombined"))
    make_tiny_competition(project.root)
    (project.root / "configs/competitions/small.yaml").write_text(SMALL)
    (project.root / "configs/models/draws.yaml").write_text(DRAWING.replace("epochs: 2", "epochs: 1"))
    trained = project.call("models", "--competition", "small", "--models", "draws", "--workers", "1")
    assert trained.returncode == 0, trained.stderr
    ended = project.call("synthesize", *RECOMBINE)
    assert ended.returncode == 0, ended.stderr
    assert "note" not in ended.stdout
    return project


@pytest.fixture
def copied(prepared, tmp_path):
    return Project(shutil.copytree(prepared.root, tmp_path / "project"))


def read_folds(project):
    return pd.read_csv(project.root / "oof/small/folds.csv", index_col=0)


def read_set(project, name="recombined"):
    return pd.read_csv(project.root / f"data/small.extra/{name}/extra.csv", dtype=str, keep_default_na=False)


def test_every_source_is_a_training_image_of_the_one_fold_and_no_group_is_held_out(prepared):
    folds, table = read_folds(prepared), read_set(prepared)
    assert set(table["only_fold"]) == {"0", "1", "2"}
    several = 0
    for row in table.to_dict("records"):
        sources = row["sources"].split("|")
        several += len(sources) > 1
        fold = int(row["only_fold"])
        held_groups = set(folds["group"][folds["fold"] == fold])
        assert (folds.loc[sources, "fold"] != fold).all()
        assert not held_groups & set(folds.loc[sources, "group"])
    assert several > 5


def test_rare_labels_come_up_to_the_target_in_each_fold_and_a_sheet_shows_them(prepared):
    folds, table = read_folds(prepared), read_set(prepared)
    train = pd.read_csv(prepared.root / "data/small/train.csv", dtype=str, keep_default_na=False)
    for fold in range(3):
        trained = train[train["Id"].map(folds["fold"]) != fold]
        usable = ~trained["Id"].map(folds["group"]).isin(folds["group"][folds["fold"] == fold])
        before, added = counts(trained), counts(table[table["only_fold"] == str(fold)])
        rare = (before > 0) & (before < 7) & (counts(trained[usable]) > 0)
        assert rare.sum() > 2
        assert ((before + added)[rare] >= 8).all()
    assert cv2.imread(str(prepared.root / "runs/small/extra-recombined.png")).std() > 20


def test_the_manifest_names_segmenter_and_networks(prepared):
    made = json.loads((prepared.root / "data/small.extra/recombined/manifest.json").read_text())
    assert made["segmenter"] == hash_file(PACKAGED)
    assert made["networks"] == {str(fold): hash_file(prepared.root / f"oof/small/draws/weights-{fold}.safetensors") for fold in range(3)}


def replace_held_out(project, fold):
    """Other pixels and labels for all images that a fold holds out."""
    folds, generator = read_folds(project), np.random.default_rng(9)
    held_out = folds.index[folds["fold"] == fold]
    path = project.root / "data/small/train.csv"
    train = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("Id")
    train.loc[held_out, "Target"] = [str((int(target.split()[0]) + 5) % 28) for target in train.loc[held_out, "Target"]]
    train.to_csv(path)
    for name in held_out:
        for channel in CHANNELS:
            cv2.imwrite(str(project.root / f"data/small/train/{name}_{channel}.png"), generator.integers(0, 256, (32, 32), dtype=np.uint8))
    assert len(held_out) > 20


def test_with_all_held_out_pixels_and_labels_replaced_no_bit_of_the_weights_changes(copied, tmp_path):
    other = Project(shutil.copytree(copied.root, tmp_path / "other"))
    replace_held_out(other, 0)
    assert "was trained on another fold map or train table" in other.refused(other.call("synthesize", *RECOMBINE))
    shutil.rmtree(other.root / "oof/small/draws")
    shutil.rmtree(other.root / "data/small.extra")
    assert other.call("fold", "--competition", "small", "--model", "draws", "--fold", "0").returncode == 0
    remade = other.call("synthesize", *RECOMBINE)
    assert remade.returncode == 0, remade.stderr
    assert "note: no rows for folds 1, 2: draws is not trained there; make model COMP=small MODEL=draws" in remade.stdout
    table = read_set(copied)
    rows = table[table["only_fold"] == "0"]
    assert read_set(other).to_dict("records") == rows.to_dict("records")
    before, after = (images_of(project.root / "data/small.extra/recombined") for project in (copied, other))
    assert after == {name: data for name, data in before.items() if name.startswith("recombined-0-")}
    found = []
    for project in (copied, other):
        settings = ("--set", "extra=recombined train.epochs=1")
        ended = project.call("fold", "--competition", "small", "--model", "tiny", "--fold", "0", *settings)
        assert ended.returncode == 0, ended.stderr
        assert f"tiny fold 0 is also trained on {len(rows)} of the " in ended.stdout
        found.append(read_weights(project.root / "oof/small/tiny/weights-0.safetensors", "").weights.tensors)
    assert found[0].keys() == found[1].keys()
    for name, values in found[0].items():
        assert values.tobytes() == found[1][name].tobytes(), name


def test_killed_and_started_again_it_ends_with_the_same_bytes(prepared, monkeypatch):
    class Killed(BaseException):
        pass

    write, written = set_writer._write_image, []

    def write_or_die(files, image):
        if len(written) == 21:
            raise Killed
        written.append(files)
        write(files, image)

    folder = prepared.root / "data/small.extra/again"
    monkeypatch.setattr(set_writer, "_write_image", write_or_die)
    with pytest.raises(Killed), chdir(prepared.root):
        prepared.call("synthesize", *RECOMBINE, "--name", "again")
    monkeypatch.undo()
    assert len(images_of(folder)) == 84
    assert not (folder / "extra.csv").exists()
    assert prepared.call("synthesize", *RECOMBINE, "--name", "again").returncode == 0
    expected = images_of(prepared.root / "data/small.extra/recombined")
    assert images_of(folder) == {name.replace("recombined", "again"): data for name, data in expected.items()}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--size", "64"), "recombined images are as large as those that draws was trained on: leave out --size"),
        (("--model", "tiny"), "tiny draws no channels: name a model with `trainer: channels`"),
        (("--segmenter", "none.safetensors"), "there is no none.safetensors: make it again: make segmenter DATA=dir"),
        (("--below", "1", "--name", "none"), "no label of small has fewer than 1 train images: give a larger number"),
        (("--seed", "1"), "data/small.extra/recombined was made with seed=0, now 1: choose another name, EXTRA=..."),
    ],
)
def test_what_cannot_be_is_one_line(prepared, arguments, said):
    assert said in prepared.refused(prepared.call("synthesize", *RECOMBINE, *arguments))


def test_without_a_trained_network_the_command_that_trains_one_is_named(copied):
    shutil.rmtree(copied.root / "oof/small/draws")
    line = copied.refused(copied.call("synthesize", *RECOMBINE))
    assert "draws has no trained network" in line
    assert line.endswith("train it: make model COMP=small MODEL=draws")


def test_with_another_fold_map_no_row_is_trained_on(copied):
    """The networks that drew the rows saw images that are held out now."""
    typed = ("fold", "--competition", "small", "--model", "tiny", "--fold", "0", "--set", "extra=recombined train.epochs=1")
    (copied.root / "oof/small/folds.csv").unlink()
    assert copied.call("folds", "--competition", "small", "--holdout", "0.2").returncode == 0
    line = copied.refused(copied.call(*typed))
    assert "data/small.extra/recombined was made for another fold map than the present one: remove it, then make it again" in line
    assert not (copied.root / "oof/small/tiny").exists()


def test_where_all_groups_are_held_out_in_part_the_reason_is_named(copied):
    """Each antibody has three images, one in each fold."""
    lines = [f"image-{number:02d},{number // 12},A{number % 12}" for number in range(36)]
    (copied.root / "split.csv").write_text("\n".join(["id,fold,group", *lines]) + "\n")
    given = copied.call("folds", "--competition", "tiny", "--file", "split.csv")
    assert given.returncode == 0, given.stderr
    trained = copied.call("fold", "--competition", "tiny", "--model", "draws", "--fold", "0")
    assert trained.returncode == 0, trained.stderr
    typed = ("--competition", "tiny", "--source", "recombined", "--model", "draws", "--below", "1000", "--target", "1000")
    line = copied.refused(copied.call("synthesize", *typed))
    assert "no image of a rare label can be a source: their groups in oof/tiny/folds.csv are held out in part: use a fold map" in line
    few = copied.refused(copied.call("synthesize", *typed[:-4], "--below", "1", "--target", "1"))
    assert "no label of tiny has fewer than 1 train images" in few


def test_another_network_is_noticed(copied):
    settings = ("--set", "seed=1", "--retrain")
    assert copied.call("fold", "--competition", "small", "--model", "draws", "--fold", "0", *settings).returncode == 0
    assert "data/small.extra/recombined was made with networks.0=" in copied.refused(copied.call("synthesize", *RECOMBINE))
