"""The file of a finished stack: it labels the test images as the submission does, and is the same each time."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comp.base.files import hash_file
from comp.folds.fold_map import HOLDOUT
from comp.predictions.features import read_features
from comp.predictions.prediction_file import mean_of_folds, read_predictions
from comp.stacking.fitted_stack import FittedStack, read_fitted
from comp.stacking.prediction_set import PredictionSet
from tests.pipelines.stacked_tables import CLASSES, SKILL, Tables

RULES = "thresholds: [{name: bagged}]\nbootstraps: 100\n"
BLENDERS = {
    "weighted": "{name: greedy, metric: map}",
    "calibrated": "{name: calibrated, blender: {name: logistic, clip: 1e1}}",
    "trees": "{name: lightgbm, positives: 20, trees: 10}",
    "several": "{name: committee, of: [{name: rank_mean}, {name: vote}, {name: per_class, blender: {name: convex}, positives: 20}]}",
}


def recipe(tables: Tables, name: str, blender: str, more: str = "") -> None:
    (tables.root / f"configs/stacks/{name}.yaml").write_text(f"blenders: [{blender}]\n{RULES}{more}")


def file_of(tables: Tables, stack: str) -> Path:
    return tables.root / f"oof/tables/{stack}/fitted.json"


def on_test(tables: Tables, fitted: FittedStack, models: tuple[str, ...]) -> PredictionSet:
    """Means over the folds' networks, as read from the prediction files, of the classes that the stack works on."""
    columns = [CLASSES.index(name) for name in fitted.classes]
    read = {model: [read_predictions(tables.file(model, f"test-{fold}")) for fold in range(4)] for model in models}
    means = [mean_of_folds(files, tables.test_ids).logits for files in read.values()]
    logits = np.stack([mean[:, columns] if mean.shape[1] == len(CLASSES) else mean for mean in means])
    features = [read_features(tables.root / path, tables.test_ids, "Id") for path in fitted.features]
    count = len(tables.test_ids)
    none, own = np.full(count, HOLDOUT, np.int8), np.arange(count)
    return PredictionSet(logits, tuple(read), none, own, features=np.hstack(features) if features else None)


def assert_labels_as_submitted(tables: Tables, fitted: FittedStack, models: tuple[str, ...]) -> None:
    """The stack from the file, on prediction files, gives the labels of the newest submission and the blend of its own test file."""
    blend, decisions = fitted.label(on_test(tables, fitted, models))
    sheet = max(tables.submissions(), key=lambda path: (path.suffix == ".csv", path.stat().st_mtime_ns))
    tokens = [str(CLASSES.index(name)) for name in fitted.classes]
    said = [" ".join(np.array(tokens)[row]) for row in decisions]
    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    assert [(row["Id"], row["Predicted"]) for row in rows] == list(zip(tables.test_ids, said, strict=True))
    assert (blend == read_predictions(tables.file(fitted.name, "stack-test")).aligned(tables.test_ids)).all()


@pytest.mark.parametrize("name", BLENDERS)
def test_it_labels_the_test_images_as_the_submission(project, name):
    tables = Tables(project, apart=1.0)
    recipe(tables, name, BLENDERS[name])
    ended = tables.stack("--stack", name)
    assert ended.returncode == 0, ended.stderr
    fitted = read_fitted(file_of(tables, name))
    assert (fitted.competition, fitted.name, fitted.classes) == ("tables", name, CLASSES)
    assert fitted.folds == tables.folds.fingerprint
    assert fitted.data == read_predictions(tables.file("good", "fold-0")).provenance.data
    assert set(fitted.files) == set(SKILL)
    for model, files in fitted.files.items():
        assert files == {path.name: hash_file(path) for path in tables.file(model, "any").parent.glob("*.parquet")}
    assert_labels_as_submitted(tables, fitted, tuple(SKILL))
    assert_labels_as_submitted(tables, fitted, fitted.needed)
    if name == "weighted":
        assert "coin" not in fitted.needed


def test_features_and_a_label_shift_are_part_of_it(project):
    tables = Tables(project, train=2000, test=1500, shifted=0.7, apart=1.0)
    ids = [*tables.train_ids, *tables.test_ids]
    noise = np.random.default_rng(0).normal(size=len(ids))
    pd.DataFrame({"Id": ids, "width": noise}).to_csv(tables.root / "told.csv", index=False)
    for name, shift in (("still", "false"), ("shifted", "true")):
        recipe(tables, name, "{name: lightgbm, positives: 20, trees: 5}", f"features: [told.csv]\nshift: {shift}\n")
        ended = tables.stack("--stack", name, "--models", "good")
        assert ended.returncode == 0, ended.stderr
        fitted = read_fitted(file_of(tables, name))
        assert fitted.features == {"told.csv": hash_file(tables.root / "told.csv")}
        assert_labels_as_submitted(tables, fitted, ("good",))
    before = read_fitted(file_of(tables, "still")).stack
    assert before.blend == fitted.stack.blend
    assert fitted.stack.thresholds[0] < before.thresholds[0] - 0.1


def test_a_stack_of_a_stack_and_of_a_class_subset(project):
    tables = Tables(project, apart=1.0)
    tables.restrict("fair", CLASSES[:3])
    recipe(tables, "first", "{name: rank_mean}")
    recipe(tables, "second", "{name: convex}")
    assert tables.stack("--stack", "first", "--models", "good", "coin").returncode == 0
    ended = tables.stack("--stack", "second", "--models", "first", "fair")
    assert ended.returncode == 0, ended.stderr
    fitted = read_fitted(file_of(tables, "second"))
    assert fitted.classes == CLASSES[:3]
    assert fitted.stack.models == ("fair", "first")
    assert fitted.stack.substacks["first"].models == ("coin", "good")
    assert set(fitted.files) == {"coin", "fair", "good"}
    assert fitted.needed == ("coin", "fair", "good")
    assert_labels_as_submitted(tables, fitted, fitted.needed)


def test_twice_gives_the_same_bytes_and_the_file_is_no_model(project):
    tables = Tables(project)
    recipe(tables, "first", BLENDERS["several"])
    assert tables.stack("--stack", "first").returncode == 0
    before = file_of(tables, "first").read_bytes()
    assert tables.stack("--stack", "first", "--workers", "2").returncode == 0
    assert file_of(tables, "first").read_bytes() == before
    for path in file_of(tables, "first").parent.glob("*.parquet"):
        path.unlink()
    ended = tables.stack("--stack", "first")
    assert ended.returncode == 0, ended.stderr
    assert "skipped" not in ended.stdout
    assert file_of(tables, "first").read_bytes() == before
