"""Which models a stack of all takes, and what its members read: models trained here, stacks, never label files."""

import re
import shutil

import numpy as np
import pytest

from comp.competition import load_competition
from comp.errors import PredictionError
from comp.members import Task, is_hard, is_stack, models_with_predictions, read_member, refuse_mixture, what_is_missing, why_left_out
from comp.paths import Paths
from comp.predictions import Predictions, Provenance, read_predictions
from tests.pipelines.stacked_tables import CLASSES, TRAIN, Tables


@pytest.fixture
def tables(project):
    return Tables(project, holdout=0.1)


@pytest.fixture
def task(tables):
    order = sorted(range(TRAIN), key=tables.train_ids.__getitem__)
    folds = tables.folds.in_order([tables.train_ids[row] for row in order])
    competition = load_competition("tables", tables.root)
    return Task(competition, Paths("tables", tables.root), folds, tables.truth[:TRAIN][order], tables.test_ids)


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


def write_hard(task, name="kernel"):
    logits = np.full((len(task.test_ids), 4), -16, np.float32)
    logits[:, 0] = 16
    provenance = Provenance(competition="tables", model=name, kind="hard", classes=CLASSES, data=task.data)
    Predictions(task.test_ids, np.full(len(logits), -1, np.int8), logits, provenance).write(task.paths.hard(name))


def refusal(task, model):
    with pytest.raises(PredictionError) as caught:
        read_member(task, model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_stack_is_read_by_name_and_left_out_of_a_stack_of_all(task):
    write_stack(task)
    assert is_stack(task, "ours")
    assert not is_stack(task, "good")
    assert models_with_predictions(task.paths) == ["coin", "fair", "good", "ours"]
    assert str(why_left_out(task, "ours")).endswith("oof/tables/ours holds a stack: ask for it by its name in MODELS")
    assert why_left_out(task, "good") is None
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
    write_hard(task)
    assert is_hard(task, "kernel")
    assert not is_hard(task, "good")
    said = 'kernel/hard.parquet is a label file, which only votes: make vote COMP=tables MODELS="kernel ..."'
    assert str(why_left_out(task, "kernel")).endswith(said)
    assert refusal(task, "kernel").endswith(said)


def test_a_folder_holds_one_kind_of_model(task):
    write_stack(task, "good")
    assert "good holds a stack and one trained here: remove one of them: its files stack*.parquet" in refusal(task, "good")
    refuse_mixture(task.paths, "fair")
    refuse_mixture(task.paths, "fair", "oof")
    for more in ("imported", "hard", "stack"):
        with pytest.raises(PredictionError, match="fair holds one trained here already: choose another name"):
            refuse_mixture(task.paths, "fair", more)


def test_the_hold_out_of_models_trained_here_is_the_mean_of_its_files(task, tables):
    member = read_member(task, "good")
    held = np.array(task.folds.ids)[task.folds.fold == -1].tolist()
    parts = [read_predictions(tables.file("good", f"holdout-{fold}")).aligned(held) for fold in range(4)]
    np.testing.assert_allclose(member.train[task.folds.fold == -1], np.mean(parts, axis=0), rtol=1e-6)
    shutil.rmtree(task.paths.model("good"))
    assert re.search(r"there is no .*good/fold-0.parquet: make fold-0 COMP=tables MODEL=good", refusal(task, "good"))
