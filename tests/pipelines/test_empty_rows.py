"""A competition with unlabelled train images, from `make stack` to `make submit` and `make score`: rows without a label stay empty."""

import csv
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from comp.base.paths import config
from comp.competition.labels import LabelSpace
from comp.predictions.task import load_task
from comp.stacking.evaluation import evaluate
from comp.stacking.inputs import read_inputs
from comp.stacking.recipe import load_recipe
from tests.pipelines.kaggle_server import KaggleServer
from tests.pipelines.stacked_tables import CLASSES, TRAIN, YAML, Tables


@pytest.fixture
def tables(project):
    made = Tables(project)
    assert not made.truth[:TRAIN].any(axis=1).all()
    (project.root / "configs/competitions/tables.yaml").write_text(f"{YAML}slug: tables\n")
    return made


def empty_rows(path):
    return [row["Id"] for row in csv.DictReader(path.read_text().splitlines()) if not row["Predicted"]]


def test_empty_rows_are_written_submitted_and_scored(tables):
    project = tables.project
    assert tables.stack().returncode == 0
    sheet = tables.submissions()[0]
    empty = empty_rows(sheet)
    assert empty
    with KaggleServer() as server:
        ended = project.type("submit", "--competition", "tables", **server.environment(tables.root))
        assert ended.returncode == 0, ended.stderr
        assert f"labels per row: {len(empty)} with 0, " in ended.stdout
        assert server.uploads == [sheet.read_bytes()]

    space, truth = LabelSpace.numbered(CLASSES), tables.truth[TRAIN:]
    pd.DataFrame({"Id": tables.test_ids, "Target": space.strings(truth)}).to_csv(tables.root / "truth.csv", index=False)
    ended = project.call("score", "--competition", "tables", "--labels", "truth.csv")
    assert ended.returncode == 0, ended.stderr
    said = space.multi_hot([row["Predicted"] for row in csv.DictReader(sheet.read_text().splitlines())], tables.test_ids, "submission")
    wanted = f1_score(truth, said, average="macro", zero_division=0)
    assert re.search(rf"scores {wanted:.4f} macro F1 on 40 labelled images", ended.stdout)


def test_the_score_to_expect_is_that_of_rows_that_stay_empty(tables, monkeypatch):
    """The decisions of the nested cross-validation include empty rows: with filled ones, another score would be said."""
    monkeypatch.chdir(tables.root)
    recipe = load_recipe(config("stacks", "quick"))
    inputs = read_inputs(load_task("tables"), [], "quick", recipe)
    evaluation = evaluate(inputs.labelled(np.ones(TRAIN, bool), ()), recipe)
    assert not evaluation.stack.fills
    assert not evaluation.decisions.any(axis=2).all()
    wanted = np.mean([f1_score(inputs.task.labels, each, average="macro", zero_division=0) for each in evaluation.decisions])
    assert evaluation.nested.value == pytest.approx(wanted)


def test_where_a_label_is_needed_an_empty_row_is_not_sent_but_scored(project):
    tables = Tables(project, unlabelled=False)
    (project.root / "configs/competitions/tables.yaml").write_text(f"{YAML}slug: tables\n")
    pd.DataFrame({"Id": tables.test_ids, "Predicted": ["", *["0"] * 39]}).to_csv(tables.root / "mine.csv", index=False)
    pd.DataFrame({"Id": tables.test_ids, "Target": "0"}).to_csv(tables.root / "truth.csv", index=False)
    error = project.refused(project.call("submit", "--competition", "tables", "--file", "mine.csv"))
    assert f"mine.csv: the prediction of id {tables.test_ids[0]} is empty" in error
    ended = project.call("score", "--competition", "tables", "--labels", "truth.csv", "--file", "mine.csv")
    assert ended.returncode == 0, ended.stderr
    assert f"scores {2 * 39 / (39 + 40) / 4:.4f} macro F1" in ended.stdout
