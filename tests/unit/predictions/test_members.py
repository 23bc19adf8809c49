"""Which models a stack of all models takes, and how members are read: models trained here and stacks, never label files."""

import re
import shutil
from itertools import combinations

import numpy as np
import pytest

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.competition.labels import LabelSpace
from comp.predictions.members import classes_of_all, read_member
from comp.predictions.model_files import (
    check_one_kind,
    is_label_only,
    is_stack,
    models_with_predictions,
    provenance_of,
    what_is_missing,
    why_skipped,
)
from comp.predictions.prediction_file import Predictions, read_predictions
from comp.predictions.provenance import Provenance, data_fingerprint
from comp.predictions.task import Task
from comp.stacking.inputs import predictions_on_test, predictions_on_train
from comp.submission.label_files import read_label_file
from tests.pipelines.stacked_tables import CLASSES, TRAIN, Tables


@pytest.fixture
def tables(project):
    return Tables(project, holdout=0.1)


@pytest.fixture
def task(tables):
    order = sorted(range(TRAIN), key=tables.train_ids.__getitem__)
    folds = tables.folds.in_order([tables.train_ids[row] for row in order])
    competition = load_competition("tables", tables.root)
    labels = tables.truth[:TRAIN][order]
    data = data_fingerprint(folds.ids, labels)
    return Task(competition, Paths("tables", tables.root), folds, competition.labels, labels, tables.test_ids, data, needs_labels=False)


def write_stack(task, name="ours", train=True, test=True, **changes):
    """A stack's own files, as `make stack` writes them."""
    made = {"competition": "tables", "model": name, "kind": "stack", "classes": CLASSES, "recipe": {"stack": "one"}}
    provenance = Provenance(**(made | {"folds": task.folds.fingerprint, "data": task.data} | changes))
    rng = np.random.default_rng(0)
    own = task.folds.fold >= 0
    ids = tuple(np.array(task.folds.ids)[own].tolist())
    if train:
        Predictions(ids, task.folds.fold[own], rng.normal(size=(len(ids), 4)).astype(np.float32), provenance).write(task.paths.stack(name))
    if test:
        nowhere = np.full(len(task.test_ids), -1, np.int8)
        logits = rng.normal(size=(len(task.test_ids), 4)).astype(np.float32)
        Predictions(task.test_ids, nowhere, logits, provenance).write(task.paths.stack_test(name))


def write_label_file(task, name="kernel"):
    logits = np.full((len(task.test_ids), 4), -16, np.float32)
    logits[:, 0] = 16
    provenance = Provenance(competition="tables", model=name, kind="label_only", classes=CLASSES, data=task.data)
    Predictions(task.test_ids, np.full(len(logits), -1, np.int8), logits, provenance).write(task.paths.label_only(name))


def refusal(task, model):
    with pytest.raises(PredictionError) as caught:
        read_member(task, model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_stack_is_read_by_name_and_skipped_by_a_stack_of_all_models(task):
    write_stack(task)
    assert is_stack(task, "ours")
    assert not is_stack(task, "good")
    assert models_with_predictions(task.paths) == ["coin", "fair", "good", "ours"]
    assert str(why_skipped(task, "ours")).endswith("oof/tables/ours holds a stack: list it in MODELS to include it")
    assert why_skipped(task, "good") is None
    assert what_is_missing(task, "ours") is None
    member = read_member(task, "ours")
    held = task.folds.fold == -1
    assert not member.imported
    assert np.isnan(member.train[held]).all()
    np.testing.assert_array_equal(member.train[~held], read_predictions(task.paths.stack("ours")).logits)
    np.testing.assert_array_equal(member.test, read_predictions(task.paths.stack_test("ours")).logits)
    assert set(member.files) == {"stack.parquet", "stack-test.parquet"}


def test_equal_stacks_are_equal_bytes_and_recipes_tell_them_apart(task):
    write_stack(task)
    before = task.paths.stack("ours").read_bytes()
    write_stack(task)
    assert task.paths.stack("ours").read_bytes() == before
    write_stack(task, train=False, recipe={"stack": "two"})
    assert "predictions of ours differ in recipe" in refusal(task, "ours")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": "1" * 16}, "ours/stack.parquet was made with another fold map .*make stack COMP=tables STACK=ours"),
        ({"data": "1" * 16}, "ours/stack.parquet was made with another train table"),
        ({"classes": ("round", "bright", "dotted", "absent")}, "has the class 'dotted' where the competition has 'striped'"),
        ({"classes": ("round", "round", "striped", "absent")}, "has the class 'round' where the competition has 'bright'"),
        ({"model": "theirs"}, "was made as model theirs, not ours"),
        ({"kind": "imported"}, "was made as kind imported, not stack"),
    ],
)
def test_a_stack_that_does_not_fit_is_refused(task, changes, message):
    write_stack(task, **changes)
    assert re.search(message, refusal(task, "ours"))


@pytest.mark.parametrize("there", ["train", "test"])
def test_half_a_stack_is_refused(task, there):
    write_stack(task, **{"train": False, "test": False, there: True})
    lost = {"train": "stack-test", "test": "stack"}[there]
    assert re.search(f"there is no .*ours/{lost}.parquet: make stack COMP=tables STACK=ours", refusal(task, "ours"))


def test_a_stack_whose_rows_are_in_other_folds_or_few_is_refused(task):
    write_stack(task)
    whole = read_predictions(task.paths.stack("ours"))
    moved = whole.fold.copy()
    moved[0] = (moved[0] + 1) % 4
    Predictions(whole.ids, moved, whole.logits, whole.provenance).write(task.paths.stack("ours"))
    assert "ours/stack.parquet holds rows of other folds" in refusal(task, "ours")
    Predictions(whole.ids[1:], whole.fold[1:], whole.logits[1:], whole.provenance).write(task.paths.stack("ours"))
    assert f"lack id {whole.ids[0]} (1 missing)" in refusal(task, "ours")


def test_a_label_file_never_joins(task):
    write_label_file(task)
    assert is_label_only(task, "kernel")
    assert not is_label_only(task, "good")
    message = 'kernel/label-only.parquet is a label file, which can only vote: make vote COMP=tables MODELS="kernel ..."'
    assert str(why_skipped(task, "kernel")).endswith(message)
    assert refusal(task, "kernel").endswith(message)


def test_a_folder_holds_one_kind_of_model(task):
    write_stack(task, "good")
    assert "good holds a stack and a model trained here: remove one of them: its files stack*.parquet" in refusal(task, "good")
    check_one_kind(task.paths, "fair")
    check_one_kind(task.paths, "fair", "oof")
    for more in ("imported", "label_only", "stack"):
        with pytest.raises(PredictionError, match="fair holds a model trained here already: choose another name"):
            check_one_kind(task.paths, "fair", more)


def test_the_hold_out_of_models_trained_here_is_the_mean_of_its_files(task, tables):
    member = read_member(task, "good")
    held = np.array(task.folds.ids)[task.folds.fold == -1].tolist()
    by_fold = [read_predictions(tables.file("good", f"holdout-{fold}")).aligned(held) for fold in range(4)]
    np.testing.assert_allclose(member.train[task.folds.fold == -1], np.mean(by_fold, axis=0), rtol=1e-6)
    shutil.rmtree(task.paths.model("good"))
    assert re.search(r"there is no .*good/fold-0.parquet: make fold-0 COMP=tables MODEL=good", refusal(task, "good"))


SUBSET = ("round", "striped")


def test_a_model_of_a_class_subset_joins_only_by_name(task, tables):
    tables.restrict("fair", SUBSET)
    message = "oof/tables/fair predicts 2 of 4 classes: list it in MODELS to include it"
    assert str(why_skipped(task, "fair")).endswith(message)
    assert what_is_missing(task, "fair") is None
    assert provenance_of(task, "fair").classes == SUBSET
    member = read_member(task, "fair")
    assert member.classes == SUBSET
    order = [(*tables.train_ids, *tables.test_ids).index(name) for name in task.folds.ids]
    np.testing.assert_allclose(member.train, tables.logits["fair"][order][:, [0, 2]], rtol=1e-6)
    assert member.test.shape == (len(task.test_ids), 2)
    assert member.test_by_fold.shape == (4, len(task.test_ids), 2)


def test_narrowed_members_and_tasks_give_these_columns_and_no_others(task, tables):
    whole = read_member(task, "good")
    narrow, subset = whole.narrowed(SUBSET), task.narrowed(SUBSET)
    assert narrow.classes == SUBSET
    assert subset.classes == LabelSpace(SUBSET, ("0", "2"))
    assert subset.data == task.data
    assert subset.competition is task.competition
    some = task.folds.fold == 1
    for fold in (None, 2):
        of_all, of_subset = (predictions_on_test([member], about, fold) for member, about in ((whole, task), (narrow, subset)))
        np.testing.assert_array_equal(of_subset.logits, of_all.logits[..., [0, 2]])
    of_all, of_subset = (predictions_on_train([member], about, some) for member, about in ((whole, task), (narrow, subset)))
    np.testing.assert_array_equal(of_subset.logits, of_all.logits[..., [0, 2]])
    np.testing.assert_array_equal(of_subset.known_labels, of_all.known_labels[:, [0, 2]])


def test_models_share_classes_if_the_smallest_subset_is_in_all():
    """Every pair and triple of subsets of four classes, against intersections."""
    subsets = [subset for count in (1, 2, 3, 4) for subset in combinations(CLASSES, count)]
    refused = 0
    for chosen in [*combinations(subsets, 2), *combinations(subsets, 3)]:
        predicted = {f"model-{number}": subset for number, subset in enumerate(chosen)}
        shared = set.intersection(*map(set, chosen))
        if shared in map(set, chosen):
            assert set(classes_of_all(predicted)) == shared
        else:
            refused += 1
            with pytest.raises(PredictionError, match=r"leave model-\d or model-\d out of MODELS"):
                classes_of_all(predicted)
    assert refused > 100


def test_class_subsets_that_are_not_nested_are_named():
    predicted = {"left": ("round", "bright", "absent"), "all": CLASSES, "right": ("bright", "striped")}
    with pytest.raises(PredictionError) as caught:
        classes_of_all(predicted)
    assert str(caught.value).startswith(
        "left predicts 3 classes and right 2, 1 of them not predicted by left, e.g. 'striped': all models of"
    )


def test_folds_of_one_model_do_not_differ_in_classes(task, tables):
    tables.restrict("fair", SUBSET, "test-2")
    message = "fair/test-2.parquet has 2 classes and fold-0.parquet 4; only one of them has 'bright': remove the ones made differently"
    assert message in refusal(task, "fair")


def test_a_file_that_cannot_be_read_is_refused_and_not_skipped(task, tables):
    tables.file("fair", "fold-0").write_bytes(b"damaged")
    assert why_skipped(task, "fair") is None
    assert "fair/fold-0.parquet cannot be read" in refusal(task, "fair")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("round", "dotted"), "has the class 'dotted', which the competition does not have"),
        (("striped", "round"), "has its classes in another order than the competition"),
        (("round", "round", "bright"), "has its classes in another order than the competition"),
    ],
)
def test_what_is_not_a_class_subset_is_refused(task, tables, names, message):
    tables.restrict("fair", CLASSES[: len(names)])
    for path in task.paths.model("fair").glob("*.parquet"):
        tables.change("fair", path.stem, classes=names)
    then = "go back to those classes, or make it again: make model COMP=tables MODEL=fair RETRAIN=1"
    assert f"fair/fold-0.parquet {message} (`classes` of its YAML): {then}" in refusal(task, "fair")


def test_a_label_file_decides_about_all_classes(task, tables):
    write_label_file(task)
    tables.restrict("kernel", SUBSET)
    with pytest.raises(PredictionError, match=r"kernel/label-only\.parquet has 2 classes, not 4"):
        read_label_file(task.competition, task.paths, "kernel", task.test_ids)
