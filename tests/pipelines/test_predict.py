"""New images as a user predicts them: models of every kind, stacks, folders and tables of ids, and errors."""

import contextlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.base.paths import Paths
from comp.inference.tensor_file import read_tensors, write_tensors
from comp.metrics.logits import sigmoid
from comp.predictions.prediction_file import mean_of_folds, read_predictions
from comp.training.fold_job import FoldJob
from comp.training.train_fold import train_fold
from tests.conftest import Project
from tests.pipelines.test_cascade import CASCADE
from tests.pipelines.test_neighbours import METRIC
from tests.tiny_competition import make_tiny_competition

KERAS = """
trainer: keras
backbone: AllCNN
initial_weights: scratch
size: 16
channels: {name: rgb}
train: {epochs: 1, batch_size: 8}
"""
YAMLS = {
    "near": METRIC,
    "cascade": CASCADE.replace("[near, nearer]", "[near]") + "tta: 2\n",
    "voting": "trainer: neighbours\nembeddings: [near]\nvotes: {count: 4}\n",
    "keras": KERAS,
    "two": "like: tiny\nlabels: [round, striped]\nsize: 16\nchannels: [green, red]\ntrain: {precision: fp32}\n",
}
STACKED = ("tiny", "near", "cascade", "voting", "keras")
PREDICT = ("--competition", "tiny")
ALL = ("--stack", "all")
TOGETHER = "was not made together with the predictions beside it"


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """Models of every kind and a stack of them; the models of PyTorch apart from those of Keras, as a user's are."""
    root = tmp_path_factory.mktemp("kinds")
    make_tiny_competition(root)
    for name, text in YAMLS.items():
        (root / f"configs/models/{name}.yaml").write_text(text)
    project = Project(root)
    ended = project.call("models", "--competition", "tiny", "--models", "tiny", "near", "cascade", "voting", "two", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    with contextlib.chdir(root):  # in this process, which loads TensorFlow once
        for fold in range(3):
            train_fold(FoldJob("tiny", "keras", fold))
    for stack, models in (("all", STACKED), ("torch", STACKED[:-1])):
        (root / f"configs/stacks/{stack}.yaml").write_text("blenders: [{name: mean}]\nthresholds: [{name: smoothed}]\n")
        ended = project.call("stack", "--competition", "tiny", "--stack", stack, "--models", *models)
        assert ended.returncode == 0, ended.stderr
    return project


def predict(project, out, *arguments):
    """What `make predict` writes: labels and probabilities."""
    ended = project.call("predict", *PREDICT, "--out", str(out), *arguments)
    assert ended.returncode == 0, ended.stderr
    return pd.read_csv(out, dtype=str, keep_default_na=False), pd.read_parquet(out.with_suffix(".parquet"))


@pytest.mark.parametrize("model", [*STACKED, "two"])
def test_each_kind_of_model_predicts_the_test_images_as_it_did_when_it_was_trained(every_kind, tmp_path, model):
    labels, probabilities = predict(every_kind, tmp_path / "labels.csv", "--data", "data/tiny/test", "--models", model)
    folds = [read_predictions(every_kind.root / f"oof/tiny/{model}/test-{fold}.parquet") for fold in range(3)]
    expected = sigmoid(mean_of_folds(folds, folds[0].ids).logits.astype(np.float64))
    assert list(probabilities["Id"]) == list(folds[0].ids)
    assert list(probabilities)[1:] == list(folds[0].provenance.classes)
    np.testing.assert_allclose(probabilities.iloc[:, 1:], expected, rtol=0, atol=1e-6)
    columns = {name: str(number) for number, name in enumerate(("round", "bright", "striped"))}
    for string, row in zip(labels["Predicted"], expected, strict=True):
        above = [columns[name] for name, probability in zip(folds[0].provenance.classes, row, strict=True) if probability >= 0.5]
        assert string.split() == above  # some train images have no label, so these may be without one too


def test_the_stack_labels_the_test_images_as_its_submission_does(every_kind, tmp_path):
    labels, probabilities = predict(every_kind, tmp_path / "labels.csv", "--data", "data/tiny/test", *ALL)
    (submission,) = (every_kind.root / "submissions/tiny").glob("all-*.csv")
    assert (tmp_path / "labels.csv").read_bytes() == submission.read_bytes()
    blend = read_predictions(every_kind.root / "oof/tiny/all/stack-test.parquet")
    np.testing.assert_allclose(probabilities.iloc[:, 1:], sigmoid(blend.logits.astype(np.float64)), rtol=0, atol=1e-6)
    assert list(labels["Id"]) == list(blend.ids)


def test_other_folders_and_tables_of_ids(every_kind, tmp_path):
    """The same images elsewhere, in the train folder, by a table, in another order and a few at a time get the same probabilities."""
    _, whole = predict(every_kind, tmp_path / "whole.csv", "--stack", "torch")
    elsewhere = tmp_path / "elsewhere/deeper"
    shutil.copytree(every_kind.root / "data/tiny/test", elsewhere)
    shutil.copy(every_kind.root / "data/tiny/train/image-07_red.png", elsewhere / "notes.png")
    for channel in ("red", "green", "blue", "yellow"):
        (elsewhere / f"image-41_{channel}.png").rename(elsewhere / f"a_red_{channel}.png")
    _, found = predict(every_kind, tmp_path / "found.csv", "--data", str(elsewhere), "--batch", "2", "--stack", "torch")
    assert list(found["Id"]) == ["a_red", *(f"image-{number}" for number in range(36, 41))]
    np.testing.assert_allclose(found.iloc[:, 1:], whole.iloc[[5, 0, 1, 2, 3, 4], 1:], rtol=0, atol=1e-6)

    (tmp_path / "ids.csv").write_text("Id,else\nimage-40,1\nimage-03,\n")
    labels, some = predict(every_kind, tmp_path / "some.csv", "--data", str(tmp_path / "ids.csv"), "--models", "tiny")
    assert list(labels["Id"]) == ["image-40", "image-03"]
    _, alone = predict(every_kind, tmp_path / "alone.csv", "--models", "tiny")
    np.testing.assert_allclose(some.iloc[0, 1:].astype(float), alone.iloc[4, 1:].astype(float), rtol=0, atol=1e-6)


def test_several_models_get_the_mean_of_their_probabilities(every_kind, tmp_path):
    _, both = predict(every_kind, tmp_path / "both.csv", "--models", "tiny", "two")
    _, tiny = predict(every_kind, tmp_path / "tiny.csv", "--models", "tiny")
    _, two = predict(every_kind, tmp_path / "two.csv", "--models", "two")
    assert list(both) == ["Id", "round", "striped"]
    np.testing.assert_allclose(both.iloc[:, 1:], (tiny[["round", "striped"]] + two.iloc[:, 1:]) / 2, rtol=0, atol=1e-6)


def test_without_out_the_files_have_a_place_and_are_replaced(made):
    for _ in range(2):
        ended = made.call("predict", *PREDICT, "--data", "data/tiny/train", "--models", "tiny")
        assert ended.returncode == 0, ended.stderr
    folder = made.root / "submissions/tiny/predict"
    (labels,) = folder.glob("tiny-train-*.csv")
    assert sorted(folder.iterdir()) == [labels, labels.with_suffix(".parquet")]
    assert len(labels.read_text().splitlines()) == 37
    assert "note: no thresholds were tuned for these models, so 0.5 decides" in ended.stdout


def test_folders_of_equal_names_and_many_models_get_files_of_their_own(every_kind, tmp_path):
    paths, many = Paths("tiny", every_kind.root), "+".join(f"model-{number}" for number in range(60))
    for name in ("tiny", many):
        places = [paths.new_labels(name, data) for data in (None, tmp_path / "a/images", tmp_path / "b/images", tmp_path / "a/images.csv")]
        assert len(set(places)) == len(places)
        assert all(len(place.name) < 255 and place.suffix == ".csv" for place in places)
    assert paths.new_labels(many, None) != paths.new_labels(many + "x", None)
    with contextlib.chdir(tmp_path):
        assert paths.new_labels("tiny", Path("a/images")) == paths.new_labels("tiny", tmp_path / "b/../a/images")


@pytest.fixture
def copied(every_kind, tmp_path):
    shutil.copytree(every_kind.root, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--data", "nowhere", *ALL), "there is no folder nowhere: correct DATA: a folder of images, or a CSV of ids"),
        (("--data", "configs", *ALL), "configs holds no image of tiny (0 image files in all): name its files as {id}_{channel}.png"),
        (("--data", "missing.csv", *ALL), "there is no missing.csv: correct DATA"),
        (("--stack", "full"), "there is no oof/tiny/full/fitted.json: make stack COMP=tiny STACK=full"),
        (("--stack", "full", "--models", "tiny"), "MODELS and STACK are both given"),
        (("--models", "small"), "there is no oof/tiny/small/fold-0.parquet: make fold-0 COMP=tiny MODEL=small"),
        (("--models", "tinny"), "there is no model tinny in oof/tiny, nor in configs/models: did you mean tiny?"),
        (("--models", "all"), "all is a stack: name it as STACK=all"),
        (("--out", "labels", *ALL), "OUT=labels is no name of a CSV: let it end with .csv"),
        (("--out", "data/tiny/train.csv", *ALL), "data/tiny/train.csv exists: remove it, or choose another OUT"),
    ],
)  # fmt: skip
def test_what_cannot_be_predicted_is_one_line(every_kind, arguments, line):
    before = sorted(every_kind.root.rglob("*"))
    assert every_kind.refused(every_kind.call("predict", *PREDICT, *arguments)).startswith(f"error: {line}")
    assert sorted(every_kind.root.rglob("*")) == before


def test_missing_and_damaged_images_are_all_listed_and_nothing_is_written(every_kind, tmp_path):
    folder = tmp_path / "new"
    shutil.copytree(every_kind.root / "data/tiny/test", folder)
    (folder / "image-36_red.png").unlink()
    command = ("predict", *PREDICT, "--data", str(folder), "--models", "tiny", "--out", str(tmp_path / "out/labels.csv"))
    line = every_kind.refused(every_kind.call(*command))
    assert f"1 of 6 images cannot be used: {folder}/image-36_red.png is missing (all in {tmp_path}/out/labels-unreadable.csv)" in line
    shutil.copy(folder / "image-37_red.png", folder / "image-36_red.png")
    for number in (38, 40):
        path = folder / f"image-{number}_blue.png"
        path.write_bytes(path.read_bytes()[:-20])
    assert "2 of 6 images cannot be used" in every_kind.refused(every_kind.call(*command))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["labels-unreadable.csv"]
    assert len((tmp_path / "out/labels-unreadable.csv").read_text().splitlines()) == 3


def test_new_images_that_are_darker_than_their_files_allow_are_noted(every_kind, tmp_path):
    folder = tmp_path / "new"
    shutil.copytree(every_kind.root / "data/tiny/test", folder)
    for path in folder.iterdir():
        assert cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.uint16) * (0 if "37_red" in path.name else 16))
    command = ("predict", *PREDICT, "--data", str(folder), "--models", "tiny", "--out", str(tmp_path / "labels.csv"))
    ended = every_kind.call(*command)
    assert ended.returncode == 0, ended.stderr
    assert "note: 1 of 6 images are all black in some channel: image-37\nnote: no stored value is above " in ended.stdout
    assert "if these images have 12 bits and those of training used all 16, scale them first: white is 65,535" in ended.stdout


def test_models_that_changed_since_are_refused(copied):
    folder, predicting = copied.root / "oof/tiny", ("predict", *PREDICT, "--out", "labels.csv")

    def refused(*arguments):
        line = copied.refused(copied.call(*predicting, *arguments))
        assert not (copied.root / "labels.csv").exists()
        return line

    whole = (folder / "tiny/weights-1.safetensors").read_bytes()
    (folder / "tiny/weights-1.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "oof/tiny/tiny/weights-1.safetensors is damaged" in refused("--models", "tiny")
    (folder / "tiny/weights-1.safetensors").unlink()
    assert (
        "tiny cannot predict new images (trained with KEEP=0, or by an earlier version?): there is no oof/tiny/tiny/weights-1.safe"
        in refused("--models", "tiny")
    )
    (folder / "tiny/weights-1.safetensors").write_bytes((folder / "two/weights-1.safetensors").read_bytes())
    assert f"oof/tiny/tiny/weights-1.safetensors {TOGETHER} (other model, classes" in refused("--models", "tiny")
    (folder / "tiny/weights-1.safetensors").write_bytes((folder / "tiny/weights-2.safetensors").read_bytes())
    assert f"oof/tiny/tiny/weights-1.safetensors {TOGETHER} (other fold)" in refused("--models", "tiny")
    (folder / "tiny/weights-1.safetensors").write_bytes(whole)

    voters = (folder / "near/voters-0.safetensors").read_bytes()
    (folder / "near/voters-0.safetensors").write_bytes((folder / "voting/voters-0.safetensors").read_bytes())
    assert f"oof/tiny/near/voters-0.safetensors {TOGETHER} (other model, " in refused("--models", "near")
    (folder / "near/voters-0.safetensors").write_bytes(voters)

    ended = copied.call("models", *PREDICT, "--models", "tiny", "--workers", "1", "--set", "tta=2")
    assert ended.returncode == 0, ended.stderr
    assert "the stack all was fitted on another oof/tiny/tiny/fold-0.parquet than the present one: make it again" in refused(*ALL)
    (folder / "tiny/experiment.yaml").write_text("trainer: torch\n")
    assert "the folds of tiny were made with different settings: make them alike: make model COMP=tiny MODEL=tiny" in refused(
        "--models", "tiny"
    )


@pytest.mark.parametrize("classes", ["[bright, round, striped]", "[circle, bright, striped]"])
def test_other_classes_than_those_of_the_training_are_refused(copied, classes):
    yaml = copied.root / "configs/competitions/tiny.yaml"
    yaml.write_text(yaml.read_text().replace("[round, bright, striped]", classes))
    for chosen in (ALL, ("--models", "tiny")):
        for command in (("predict", *PREDICT, "--out", "labels.csv"), ("package", *PREDICT, "--out", "packed")):
            line = copied.refused(copied.call(*command, *chosen))
            assert "go back to those classes, or make it again: make model COMP=tiny MODEL=" in line
    assert not (copied.root / "labels.csv").exists()
    assert not (copied.root / "packed").exists()


def test_a_stack_whose_table_of_features_changed_is_refused(copied):
    ids, table = [f"image-{number:02d}" for number in range(42)], copied.root / "told.csv"
    pd.DataFrame({"Id": ids, "width": range(42)}).to_csv(table, index=False)
    recipe = "blenders: [{name: lightgbm, positives: 5, trees: 3}]\nthresholds: [{name: exact}]\nfeatures: [told.csv]\n"
    (copied.root / "configs/stacks/told.yaml").write_text(recipe)
    ended = copied.call("stack", *PREDICT, "--stack", "told", "--models", "tiny", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    labels, _ = predict(copied, copied.root / "labels.csv", "--stack", "told")
    assert len(labels) == 6
    pd.DataFrame({"Id": ids, "width": range(1, 43)}).to_csv(table, index=False)
    told = ("predict", *PREDICT, "--stack", "told", "--out", "other.csv")
    changed = "error: the stack told was fitted on another told.csv than the present one: make it again: make stack COMP=tiny STACK=told"
    assert copied.refused(copied.call(*told)) == changed
    table.unlink()
    assert copied.refused(copied.call(*told)) == changed
    assert not list(copied.root.glob("other*"))


def test_the_advice_for_missing_weights_and_voters_works(copied):
    folder, retrain = copied.root / "oof/tiny", ("--workers", "1", "--retrain", "--set", "")
    before, _ = predict(copied, copied.root / "before.csv", "--models", "tiny", "voting")
    (folder / "tiny/weights-0.safetensors").unlink()
    (folder / "voting/voters-1.safetensors").unlink()
    for model in ("tiny", "voting"):
        line = copied.refused(copied.call("predict", *PREDICT, "--models", model, "--out", "labels.csv"))
        assert line.endswith(f"make it again: make model COMP=tiny MODEL={model} RETRAIN=1")
        ended = copied.call("models", *PREDICT, "--models", model, *retrain)
        assert ended.returncode == 0, ended.stderr
        assert "making it again, as RETRAIN=1 asks" in ended.stdout
        assert ended.stdout.count("complete, nothing to do") == 2
    after, _ = predict(copied, copied.root / "after.csv", "--models", "tiny", "voting")
    pd.testing.assert_frame_equal(after, before)


def test_voters_of_an_earlier_network_do_not_vote(copied):
    train = ("models", *PREDICT, "--workers", "1", "--retrain", "--models")
    for arguments in (("near", "--set", "seed=7"), ("voting", "--no-keep", "--set", "")):
        ended = copied.call(*train, *arguments)
        assert ended.returncode == 0, ended.stderr
    assert not list((copied.root / "oof/tiny/voting").glob("voters-*"))
    line = copied.refused(copied.call("predict", *PREDICT, "--models", "voting", "--out", "labels.csv"))
    assert "there is no oof/tiny/voting/voters-0.safetensors" in line


def test_other_votes_leave_models_that_use_the_embeddings_alone(copied):
    ended = copied.call("models", *PREDICT, "--workers", "1", "--models", "near", "--set", "votes.count=2")
    assert ended.returncode == 0, ended.stderr
    for model in ("voting", "cascade"):
        ended = copied.call("models", *PREDICT, "--workers", "1", "--models", model, "--set", "")
        assert ended.stdout.count("complete, nothing to do") == 3, ended.stderr
    predict(copied, copied.root / "labels.csv", "--models", "voting", "cascade", "near")


def test_other_levels_of_black_and_white_are_refused(copied):
    path = copied.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text() + "images: {range: [0, 64]}\n")
    line = copied.refused(copied.call("predict", *PREDICT, "--models", "tiny", "--out", "labels.csv"))
    assert "was trained on images with the levels of their files, now (0.0, 64.0): go back to `bits` and `range`" in line


def test_weights_that_fit_no_network_are_one_line(copied):
    path = copied.root / "oof/tiny/tiny/weights-0.safetensors"
    about, tensors = read_tensors(path, "")
    for changes, lacking in (({"network": {"backbone": "no_such_net", "options": {}}}, ""), ({}, "backbone.fc.bias")):
        write_tensors(path, about | changes, {name: tensor for name, tensor in tensors.items() if name != lacking})
        line = copied.refused(copied.call("predict", *PREDICT, "--models", "tiny", "--out", "labels.csv"))
        assert "cannot be built here (" in line
        assert "install the versions of packages that it was trained with, or train it again" in line
    for changes in ({"provenance": {}}, {"settings": []}, {"network": "x"}, {"input_channels": None}):
        write_tensors(path, about | changes, tensors)
        assert copied.refused(copied.call("predict", *PREDICT, "--models", "tiny", "--out", "labels.csv"))


def test_images_with_other_channels_are_refused(copied):
    path = copied.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text() + "images: {channels: [green, red, blue, yellow]}\n")
    line = copied.refused(copied.call("predict", *PREDICT, "--models", "tiny", "--out", "labels.csv"))
    assert "was trained on the channels red, green, blue, yellow; the images have green, red, blue, yellow" in line


def test_sixteen_bit_images_are_scaled_as_in_training(every_kind, tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    for path in (every_kind.root / "data/tiny/test").iterdir():
        cv2.imwrite(str(folder / path.name), cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.uint16) * 257)
    _, deep = predict(every_kind, tmp_path / "deep.csv", "--data", str(folder), "--models", "tiny")
    _, usual = predict(every_kind, tmp_path / "usual.csv", "--models", "tiny")
    pd.testing.assert_frame_equal(deep, usual)
