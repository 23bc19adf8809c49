"""Prediction files that are not what their paths say are refused with one line that says what to type."""

import re
import shutil

import numpy as np
import pytest

from comp.predictions.prediction_file import Predictions, read_predictions
from tests.pipelines.stacked_tables import CLASSES, TEST, Tables


@pytest.fixture
def tables(project):
    return Tables(project)


def other_folds(tables):
    tables.change("fair", "fold-1", folds="0123456789abcdef")


def other_train_table(tables):
    tables.change("fair", "test-1", data="0123456789abcdef")


def other_classes(tables):
    tables.change("fair", "fold-3", classes=("round", "bright", "dotted", "absent"))


def a_class_too_few(tables):
    path = tables.file("fair", "test-3")
    found = read_predictions(path)
    three = found.provenance.model_copy(update={"classes": CLASSES[:3]})
    Predictions(found.ids, found.fold, found.logits[:, :3], three).write(path)


def not_a_number(tables, name="fold-0"):
    path = tables.file("fair", name)
    found = read_predictions(path)
    found.logits[3, 1] = np.nan
    found.write(path)


def not_a_number_in_test(tables):
    not_a_number(tables, "test-2")


def a_test_id_too_few(tables):
    tables.drop_row("fair", "test-2")


def a_train_id_too_few(tables):
    tables.drop_row("fair", "fold-2")


def another_folds_rows(tables):
    tables.file("fair", "fold-2").write_bytes(tables.file("fair", "fold-1").read_bytes())


def rows_that_the_model_was_trained_on(tables):
    """Everything about the file is right, except for one row of another fold."""
    own, other = (read_predictions(tables.file("fair", f"fold-{fold}")) for fold in (2, 1))
    fold, logits = np.append(own.fold, np.int8(2)), np.append(own.logits, other.logits[:1], axis=0)
    Predictions((*own.ids, other.ids[0]), fold, logits, own.provenance).write(tables.file("fair", "fold-2"))


def another_folds_rows_under_this_folds_name(tables):
    """A fold map that was changed by hand, or a file that claims to be of another fold."""
    other = read_predictions(tables.file("fair", "fold-1"))
    own = other.provenance.model_copy(update={"fold": 2})
    Predictions(other.ids, np.full(len(other.ids), 2, np.int8), other.logits, own).write(tables.file("fair", "fold-2"))


def a_fold_column_of_other_folds(tables):
    own = read_predictions(tables.file("fair", "fold-2"))
    Predictions(own.ids, np.full(len(own.ids), 1, np.int8), own.logits, own.provenance).write(tables.file("fair", "fold-2"))


def other_settings(tables):
    tables.change("fair", "fold-2", seed=5)


def a_test_file_twice(tables):
    tables.file("fair", "test-1").write_bytes(tables.file("fair", "test-0").read_bytes())


def tests_of_another_experiment(tables):
    for fold in range(4):
        tables.change("fair", f"test-{fold}", experiment="B")


def no_fold_map(tables):
    tables.change("fair", "fold-1", folds=None)


def another_kind(tables):
    tables.change("fair", "test-3", kind="oof")


def rows_of_a_fold(tables):
    path = tables.file("fair", "test-3")
    found = read_predictions(path)
    Predictions(found.ids, np.full(TEST, 3, np.int8), found.logits, found.provenance).write(path)


def under_another_name(tables):
    shutil.copytree(tables.file("fair", "fold-0").parent, tables.root / "oof/tables/copy")


def another_competition(tables):
    tables.change("fair", "fold-1", competition="other")


def truncated(tables):
    path = tables.file("fair", "fold-2")
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (other_folds, "fair/fold-1.parquet was made with another fold map.*make model COMP=tables MODEL=fair RETRAIN=1"),
        (other_train_table, "fair/test-1.parquet was made with another train table"),
        (other_classes, "fair/fold-3.parquet has the class 'dotted' where the competition has 'striped'"),
        (a_class_too_few, "fair/test-3.parquet has 3 classes and fold-0.parquet 4; only one of them has 'absent'"),
        (not_a_number, "fair/fold-0.parquet: .* hold nan for id image-.*'bright'"),
        (not_a_number_in_test, "fair/test-2.parquet: .* hold nan for id image-.*'bright'.*make fold-2 COMP=tables MODEL=fair"),
        (a_test_id_too_few, "fair/test-2.parquet: .* lack id image-.*1 missing"),
        (a_train_id_too_few, "fair/fold-2.parquet: .* lack id image-"),
        (another_folds_rows, "fair/fold-2.parquet was made as fold 1, not 2"),
        (rows_that_the_model_was_trained_on, r"fair/fold-2.parquet holds 1 rows of other folds, e.g. image-\d+ of fold 1, on which"),
        (another_folds_rows_under_this_folds_name, r"fold-2.parquet holds \d\d rows of other folds, .* the model of fold 2 was trained"),
        (a_fold_column_of_other_folds, "fair/fold-2.parquet holds rows of other folds: remove"),
        (a_test_file_twice, r"fair/test-1.parquet was made as fold 0, not 1: remove oof/tables/fair/\*-1.parquet, then: make fold-1"),
        (tests_of_another_experiment, r"fair differ in experiment: None \(oof of fold 0\) and B \(test of fold 0\)"),
        (no_fold_map, r"fair/fold-1.parquet was made with another fold map \(None\)"),
        (another_kind, "fair/test-3.parquet was made as kind oof, not test"),
        (rows_of_a_fold, "fair/test-3.parquet holds rows of other folds"),
        (under_another_name, "copy/fold-0.parquet was made as model fair, not copy.*COMP=tables MODEL=copy"),
        (another_competition, "fair/fold-1.parquet was made as competition other, not tables.*COMP=tables MODEL=fair"),
        (other_settings, "differ in seed"),
        (truncated, "fair/fold-2.parquet cannot be read"),
    ],
)
def test_bad_predictions_are_refused_on_one_line(tables, harm, message):
    harm(tables)
    error = tables.project.refused(tables.stack())
    assert re.search(message, error)
    assert re.search('; or leave it out: make stack COMP=tables MODELS="(coin (copy )?good|coin fair good)"$', error)
    assert tables.submissions() == []


def test_a_refused_model_that_was_asked_for_cannot_be_left_out(tables):
    truncated(tables)
    assert "leave it out" not in tables.project.refused(tables.stack("--models", "good", "fair"))
    assert tables.stack("--models", "good", "coin").returncode == 0


def test_a_label_file_is_left_out_with_a_line_and_refused_by_name(tables):
    submission = "\n".join(["Id,Predicted", *(f"{name},0" for name in tables.test_ids)])
    (tables.root / "theirs.csv").write_text(submission + "\n")
    ended = tables.project.call("importing", "--competition", "tables", "--model", "kernel", "--test", "theirs.csv")
    assert ended.returncode == 0, ended.stderr
    said = 'oof/tables/kernel/label-only.parquet is a label file, which can only vote: make vote COMP=tables MODELS="kernel ..."'
    assert said in tables.project.refused(tables.stack("--models", "good", "kernel"))
    ended = tables.stack()
    assert ended.returncode == 0, ended.stderr
    assert f"skipped kernel: {said}" in ended.stdout
    assert not any("kernel" in path.read_text() for path in tables.submissions())
