"""Further inputs of a stack: other stacks, features, near-duplicates of the test images; and its model ablation."""

import json

import numpy as np
import pandas as pd
import pytest

from comp.metrics.logits import logit, sigmoid
from comp.predictions.prediction_file import Predictions, read_predictions
from tests.pipelines.stacked_tables import CLASSES, SKILL, TRAIN, Tables

FIRST = "blenders: [{name: mean}, {name: best_single}]\nthresholds: [{name: exact}]\nbootstraps: 100\n"
SECOND = "blenders: [{name: mean}, {name: greedy, steps: 4}]\nthresholds: [{name: exact}]\nbootstraps: 100\n"


@pytest.fixture
def tables(project):
    made = Tables(project)
    (made.root / "configs/stacks/first.yaml").write_text(FIRST)
    (made.root / "configs/stacks/second.yaml").write_text(SECOND)
    return made


def sidecar(tables):
    return json.loads(max(tables.submissions(), key=lambda path: (path.suffix == ".json", path.stat().st_mtime_ns)).read_text())


def details_of(tables):
    """The newest stack's tables."""
    return max(tables.submissions(), key=lambda path: (path.suffix == ".txt", path.stat().st_mtime_ns)).read_text()


def test_a_stack_writes_its_predictions_and_another_uses_it_as_a_model(tables):
    ended = tables.stack("--stack", "first", "--models", "good", "coin")
    assert ended.returncode == 0, ended.stderr
    own = read_predictions(tables.file("first", "stack"))
    assert own.provenance.kind == "stack"
    assert set(own.provenance.recipe["models"]) == {"good", "coin"}
    fold_of = dict(zip(tables.folds.ids, tables.folds.fold.tolist(), strict=True))
    assert [fold_of[image_id] for image_id in own.ids] == own.fold.tolist()
    on_test = read_predictions(tables.file("first", "stack-test"))
    assert on_test.ids == tables.test_ids
    told = sidecar(tables)
    assert told["expected"]["halves"]["spread"] > 0
    mean = sum(weight * sigmoid(tables.logits[model][TRAIN:].astype(float)) for model, weight in told["weights"][0].items())
    number_of = {name: number for number, name in enumerate((*tables.train_ids, *tables.test_ids))}
    rows = np.array([number_of[name] for name in on_test.ids]) - TRAIN
    np.testing.assert_allclose(on_test.logits, logit(mean)[rows], atol=1e-5)

    ended = tables.stack("--stack", "second", "--models", "fair", "first")
    assert ended.returncode == 0, ended.stderr
    assert "stacking 2 models on 200 rows in 4 folds: fair, first" in ended.stdout
    told = sidecar(tables)
    assert set(told["weights"][0]) <= {"fair", "first"}
    assert told["stacks"] == {"first": ["coin", "good"]}
    assert told["expected"]["halves"] is None
    assert set(told["models"]) == {"coin", "fair", "good"}

    tables.file("coin", "fold-2").rename(tables.root / "kept")
    error = tables.project.refused(tables.stack("--stack", "second", "--models", "fair", "first"))
    assert "the stack first blends coin: there is no oof/tables/coin/fold-2.parquet" in error
    (tables.root / "kept").rename(tables.file("coin", "fold-2"))
    error = tables.project.refused(tables.stack("--stack", "first", "--models", "second", "fair"))
    assert "second blends the stack first" in error
    assert "cannot be a model of itself" in tables.project.refused(tables.stack("--stack", "first", "--models", "first"))


def test_stacks_are_skipped_unless_asked_for(tables):
    assert tables.stack("--stack", "first").returncode == 0
    before = tables.submissions()
    ended = tables.stack("--stack", "first")
    assert "skipped first:" in ended.stdout
    assert "stacking 3 models" in ended.stdout
    assert tables.submissions() == before


def test_given_weights_are_the_weighted_mean_whatever_the_order_of_rows(tables):
    weights = {"good": 3.0, "fair": 1.5, "coin": 0.5}
    spec = ", ".join(f"{model}: {weight}" for model, weight in weights.items())
    recipe = f"blenders: [{{name: weights, weights: {{{spec}}}}}]\nthresholds: [{{name: fixed}}]\nbootstraps: 100\n"
    (tables.root / "configs/stacks/first.yaml").write_text(recipe)
    assert tables.stack("--stack", "first").returncode == 0
    before = {path.name: path.read_bytes() for path in tables.submissions()}
    number_of = {name: number for number, name in enumerate((*tables.train_ids, *tables.test_ids))}
    for name in ("stack", "stack-test"):
        found = read_predictions(tables.file("first", name))
        rows = [number_of[image_id] for image_id in found.ids]
        mean = sum(weight / 5 * sigmoid(tables.logits[model][rows].astype(np.float64)) for model, weight in weights.items())
        np.testing.assert_allclose(found.logits, logit(mean).astype(np.float32), rtol=1e-6, atol=1e-6)
    for path in (tables.root / "oof/tables").glob("*/*-*.parquet"):
        found = read_predictions(path)
        Predictions(found.ids[::-1], found.fold[::-1], found.logits[::-1], found.provenance).write(path)
    assert tables.stack("--stack", "first").returncode == 0
    again = {path.name: path.read_bytes() for path in tables.submissions() if path.suffix == ".csv"}
    assert {content for name, content in before.items() if name.endswith(".csv")} == set(again.values())


def test_a_stack_does_not_take_the_place_of_a_model(tables):
    (tables.root / "configs/stacks/good.yaml").write_text(FIRST)
    ended = tables.stack("--stack", "good")
    assert "holds a model trained here already" in tables.project.refused(ended)
    assert "nested" not in ended.stdout
    assert not tables.submissions()


def test_features_reach_the_blenders_that_use_them(tables):
    """One feature of each class is the label itself; LightGBM sees it where it has 20 positives."""
    number_of = {name: number for number, name in enumerate((*tables.train_ids, *tables.test_ids))}
    ids = np.random.default_rng(0).permutation([*tables.train_ids, *tables.test_ids])
    known = tables.truth[[number_of[name] for name in ids]]
    pd.DataFrame({"Id": ids, **{f"f{column}": known[:, column] * 1.0 for column in range(3)}}).to_csv(tables.root / "told.csv", index=False)
    recipe = "blenders: [{name: lightgbm, positives: 20, rate: 0.3}]\nthresholds: [{name: exact}]\nbootstraps: 100\n"
    (tables.root / "configs/stacks/blind.yaml").write_text(recipe)
    (tables.root / "configs/stacks/told.yaml").write_text(recipe + "features: [told.csv]\n")
    scores = []
    for name in ("blind", "told"):
        ended = tables.stack("--stack", name, "--models", "fair")
        assert ended.returncode == 0, ended.stderr
        scores.append(sidecar(tables)["nested"]["value"])
    assert scores[1] > scores[0] + 0.1, scores
    table = pd.read_csv(tables.root / "told.csv", dtype={"Id": str})
    table[table.Id.isin(tables.train_ids)].to_csv(tables.root / "told.csv", index=False)
    ended = tables.stack("--stack", "told")
    assert "told.csv lacks 40 of 40 ids" in tables.project.refused(ended)
    assert "nested" not in ended.stdout
    (tables.root / "told.csv").unlink()
    assert "there is no told.csv" in tables.project.refused(tables.stack("--stack", "told"))


def test_a_stack_with_other_features_is_no_model(tables):
    ids = [*tables.train_ids, *tables.test_ids]
    pd.DataFrame({"Id": ids, "width": range(len(ids))}).to_csv(tables.root / "told.csv", index=False)
    (tables.root / "configs/stacks/first.yaml").write_text(FIRST + "features: [told.csv]\n")
    assert tables.stack("--stack", "first", "--models", "good", "coin").returncode == 0
    error = tables.project.refused(tables.stack("--stack", "second", "--models", "fair", "first"))
    assert "first was made with other features (told.csv): give configs/stacks/second.yaml the same `features`" in error


def test_thresholds_follow_a_label_shift_that_is_asked_for(project):
    """The test images with "round" come more than twice as often as in train; means over four folds' networks are surer than one."""
    tables = Tables(project, train=2000, test=1500, shifted=0.7, apart=1.0)
    (tables.root / "configs/stacks/first.yaml").write_text(FIRST)
    (tables.root / "configs/stacks/second.yaml").write_text(FIRST + "shift: true\n")
    found = []
    for stack in ("first", "second"):
        ended = tables.stack("--stack", stack, "--models", "good")
        assert ended.returncode == 0, ended.stderr
        assert "label shift between train and test in round: " in ended.stdout
        assert ("thresholds are adjusted" in ended.stdout) == (stack == "second")
        details = details_of(tables)
        assert "label shift, estimated from the test predictions: round " in details
        assert ("their thresholds are adjusted" in details) == (stack == "second")
        assert "test predictions average 4 folds" in details
        found.append(sidecar(tables))
    before, after = (told["logit_thresholds"] for told in found)
    assert after["round"] < before["round"] - 0.1
    assert after["bright"] == before["bright"]
    assert found[1]["shift"]["round"]["test"] == pytest.approx(0.7, abs=0.05)
    assert found[1]["shift"]["bright"]["significant"] is False


def test_near_duplicates_of_the_test_set_are_decided_alike(tables):
    assert tables.stack("--stack", "first", "--models", "good").returncode == 0
    first, second = tables.test_ids[:2]
    path = tables.root / "data/tables.cache/test-duplicates.csv"
    path.parent.mkdir()
    path.write_text(f"id_a,id_b\n{first},{second}\n")
    before = read_predictions(tables.file("first", "stack-test")).logits
    ended = tables.stack("--stack", "first", "--models", "good")
    assert "1 of 40 test images copy others" in ended.stdout
    after = read_predictions(tables.file("first", "stack-test")).logits
    np.testing.assert_allclose(after[:2], np.tile(logit(sigmoid(before[:2].astype(float)).mean(axis=0)), (2, 1)), atol=1e-5)
    assert (after[2:] == before[2:]).all()


def test_the_model_ablation_is_written_and_kept(tables):
    (tables.root / "configs/stacks/first.yaml").write_text(FIRST + "ablation: {name: mean}\n")
    ended = tables.stack("--stack", "first")
    assert ended.returncode == 0, ended.stderr
    told = sidecar(tables)["ablation"]
    assert set(told["models"]) == set(SKILL)
    assert told["models"]["coin"]["hurts"]
    details = details_of(tables)
    assert "models that lower the score by more than 1 standard error: coin" in details
    assert "models that lower the score in the model ablation: coin" in ended.stdout
    assert [len(step["models"]) for step in told["path"]] == [3, 2, 1]
    for model, one in told["models"].items():
        line = next(line for line in details.splitlines() if line.startswith(model))
        assert f"{one['alone']['value']:.4f} +- {one['alone']['error']:.4f}" in line
    (tables.root / "configs/stacks/first.yaml").write_text(FIRST + "ablation: {name: man}\n")
    assert "there is no 'man'" in tables.project.refused(tables.stack("--stack", "first"))


def test_curves_are_those_of_the_chosen_candidate(tables):
    assert tables.stack("--stack", "first").returncode == 0
    told = sidecar(tables)
    assert set(told["curves"]) == set(CLASSES)
    for name, curve in told["curves"].items():
        assert len(curve["logits"]) == len(curve["f1"]) > 10
        assert len(curve["thresholds_of_folds"]) == 4
        assert (max(curve["f1"]) > 0) == (name != "absent")


def test_several_processes_give_the_same_submission(tables):
    assert tables.stack("--workers", "1").returncode == 0
    before = {path.name: path.read_bytes() for path in tables.submissions()}
    assert tables.stack("--workers", "2").returncode == 0
    assert {path.name: path.read_bytes() for path in tables.submissions()} == before
