"""Stacks as a user makes them: complete, proven, repeatable, and refused with one line that says what to type."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest

from comp.folds import Folds, assign
from comp.labels import LabelSpace
from comp.predictions import Predictions, Provenance, data_fingerprint, read_predictions
from pipelines import stack
from pipelines.command import run

CLASSES = ("round", "bright", "striped", "absent")
YAML = "title: Tables\ndata: data/tables\nimages:\nclasses: [round, bright, striped, absent]\nfolds: {count: 4}\n"
SKILL = {"good": 2.5, "fair": 1.5, "coin": 0.0}
TRAIN, TEST = 200, 40


class Tables:
    """A competition without images, its fold map, and prediction files of three drawn models."""

    def __init__(self, project, holdout=0.0):
        self.project, self.root = project, project.root
        rng = np.random.default_rng(0)
        self.truth = rng.random((TRAIN + TEST, 4)) < [0.3, 0.5, 0.1, 0.0]
        ids = [f"image-{number:03d}" for number in rng.permutation(TRAIN + TEST)]
        self.train_ids, self.test_ids = tuple(ids[:TRAIN]), tuple(ids[TRAIN:])
        (self.root / "configs/competitions/tables.yaml").write_text(YAML)
        data = self.root / "data/tables"
        data.mkdir(parents=True)
        strings = LabelSpace.numbered(CLASSES).strings(self.truth)
        pd.DataFrame({"Id": self.train_ids, "Target": strings[:TRAIN]}).to_csv(data / "train.csv", index=False)
        pd.DataFrame({"Id": self.test_ids, "Predicted": "0"}).to_csv(data / "sample_submission.csv", index=False)
        groups = [f"A{number // 4}" for number in range(TRAIN)]
        labels = self.truth[:TRAIN]
        self.folds = assign(self.train_ids, labels, count=4, groups=groups, components=self.train_ids, overlap=0.5, holdout=holdout)
        self.folds.write(self.root / "oof/tables/folds.csv")
        self.logits = {}
        for model, skill in SKILL.items():
            self.logits[model] = (skill * self.truth + rng.normal(size=self.truth.shape) - 1).astype(np.float32)
            self.write(model, labels)

    def write(self, model, labels):
        number_of = {name: number for number, name in enumerate((*self.train_ids, *self.test_ids))}
        shared = {"competition": "tables", "model": model, "classes": CLASSES, "seed": 0}
        shared |= {"folds": self.folds.fingerprint, "data": data_fingerprint(self.train_ids, labels)}
        held = tuple(np.array(self.train_ids)[self.folds.fold == -1])
        for fold in range(4):
            own = tuple(np.array(self.train_ids)[self.folds.fold == fold])
            for kind, ids, number in (("oof", own, fold), ("test", self.test_ids, -1), ("holdout", held, -1)):
                if not ids:
                    continue
                logits = self.logits[model][[number_of[name] for name in ids]]
                name = "fold" if kind == "oof" else kind
                made = Predictions(ids, np.full(len(ids), number, np.int8), logits, Provenance(kind=kind, fold=fold, **shared))
                made.write(self.file(model, f"{name}-{fold}"))

    def file(self, model, name):
        return self.root / f"oof/tables/{model}/{name}.parquet"

    def change(self, model, name, **provenance):
        """Write a file again with another provenance."""
        found = read_predictions(self.file(model, name))
        Predictions(found.ids, found.fold, found.logits, found.provenance.model_copy(update=provenance)).write(self.file(model, name))

    def drop_row(self, model, name):
        found = read_predictions(self.file(model, name))
        Predictions(found.ids[1:], found.fold[1:], found.logits[1:], found.provenance).write(self.file(model, name))

    def stack(self, *more):
        """Type the command, without the price of another Python."""
        code = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            patch.chdir(self.root)
            patch.setattr(sys, "argv", ["stack", "--competition", "tables", *more])
            try:
                run(stack.main)
            except SystemExit as ended:
                code = ended.code
        return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())

    def submissions(self):
        return sorted((self.root / "submissions/tables").glob("*"))


@pytest.fixture
def tables(project):
    return Tables(project)


def test_a_stack_is_proven_explained_and_written(tables):
    ended = tables.stack()
    assert ended.returncode == 0, ended.stderr
    sheet, sidecar = tables.submissions()
    assert sheet.name.startswith("default-")
    assert sidecar.name == sheet.stem + ".json"

    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    assert [row["Id"] for row in rows] == list(tables.test_ids)
    said = LabelSpace.numbered(CLASSES).multi_hot([row["Predicted"] for row in rows], tables.test_ids, "submission")
    assert said.any(axis=1).all()
    assert not said[:, 3].any()
    assert (said == tables.truth[TRAIN:])[:, :3].mean() > 0.75

    told = json.loads(sidecar.read_text())
    low, high = told["nested"]["interval"]
    assert low < told["nested"]["value"] < high
    assert f"expect {told['nested']['value']:.4f}" in ended.stdout
    assert set(told["models"]) == set(SKILL)
    assert len(told["models"]["good"]) == 8
    assert told["thresholds"]["absent"] is None
    assert all(np.isfinite(told["thresholds"][name]) for name in CLASSES[:3])
    assert told["folds"] == tables.folds.fingerprint
    assert f"{told['filled']} of them empty" in ended.stdout
    for name in ("mean + exact", "best_single + bagged", "greedy + exact", "procedure", "known groups", "new groups"):
        assert name in ended.stdout
    assert len(told["candidates"]) == 6
    assert sum(one["folds_that_chose_it"] for one in told["candidates"]) == 4


def test_twice_gives_the_same_bytes_and_the_order_of_tables_and_files_does_not_matter(tables):
    assert tables.stack().returncode == 0
    before = {path.name: path.read_bytes() for path in tables.submissions()}
    train = tables.root / "data/tables/train.csv"
    table = pd.read_csv(train, dtype=str, keep_default_na=False)
    table.iloc[::-1].to_csv(train, index=False)
    folds = tables.folds
    Folds(folds.ids[::-1], folds.fold[::-1], folds.group[::-1]).write(tables.root / "oof/tables/folds.csv")
    assert tables.stack().returncode == 0
    assert {path.name: path.read_bytes() for path in tables.submissions()} == before


def test_only_the_models_asked_for(tables):
    ended = tables.stack("--models", "good", "fair")
    assert ended.returncode == 0, ended.stderr
    assert "stacking 2 models" in ended.stdout
    assert set(json.loads(tables.submissions()[1].read_text())["models"]) == {"good", "fair"}


def test_incomplete_models_are_left_out_saying_so_and_refused_when_asked_for(tables):
    tables.file("fair", "fold-2").unlink()
    ended = tables.stack()
    assert ended.returncode == 0, ended.stderr
    assert "left out: fair" in ended.stdout
    assert "make fold-2 COMP=tables MODEL=fair" in ended.stdout
    assert "stacking 2 models" in ended.stdout
    error = tables.project.refused(tables.stack("--models", "good", "fair"))
    assert "fair/fold-2.parquet" in error
    assert "make fold-2 COMP=tables MODEL=fair" in error


def test_missing_test_predictions_name_their_fold(tables):
    tables.file("good", "test-1").unlink()
    assert "make fold-1 COMP=tables MODEL=good" in tables.project.refused(tables.stack("--models", "good"))


def other_folds(tables):
    tables.change("fair", "fold-1", folds="0123456789abcdef")


def other_train_table(tables):
    tables.change("fair", "test-1", data="0123456789abcdef")


def other_classes(tables):
    tables.change("fair", "fold-3", classes=("round", "bright", "dotted", "absent"))


def not_a_number(tables):
    path = tables.file("fair", "fold-0")
    found = read_predictions(path)
    found.logits[3, 1] = np.nan
    found.write(path)


def a_test_id_too_few(tables):
    tables.drop_row("fair", "test-2")


def a_train_id_too_few(tables):
    tables.drop_row("fair", "fold-2")


def another_folds_rows(tables):
    tables.file("fair", "fold-2").write_bytes(tables.file("fair", "fold-1").read_bytes())


def other_settings(tables):
    tables.change("fair", "fold-2", seed=5)


def truncated(tables):
    path = tables.file("fair", "fold-2")
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (other_folds, "fair/fold-1.parquet was made with another fold map.*make fold-1 COMP=tables MODEL=fair"),
        (other_train_table, "fair/test-1.parquet was made with another train table"),
        (other_classes, "fair/fold-3.parquet has the class 'dotted' where the competition has 'striped'"),
        (not_a_number, "fair/fold-0.parquet: .* hold nan for id image-.*'bright'"),
        (a_test_id_too_few, "fair/test-2.parquet: .* lack id image-.*1 missing"),
        (a_train_id_too_few, "fair/fold-2.parquet: .* lack id image-"),
        (another_folds_rows, "fair/fold-2.parquet: .* lack id image-"),
        (other_settings, "differ in seed"),
        (truncated, "fair/fold-2.parquet cannot be read"),
    ],
)
def test_bad_predictions_are_refused_on_one_line(tables, harm, message):
    harm(tables)
    assert re.search(message, tables.project.refused(tables.stack()))
    assert tables.submissions() == []


def test_no_models_at_all_says_how_to_get_one(tables):
    for path in (tables.root / "oof/tables").glob("*/*.parquet"):
        path.unlink()
    assert "make model COMP=tables MODEL=densenet121" in tables.project.refused(tables.stack())


def test_missing_fold_map_is_made(tables):
    (tables.root / "oof/tables/folds.csv").unlink()
    ended = tables.stack()
    assert "making oof/tables/folds.csv" in ended.stdout
    assert "another fold map" in tables.project.refused(ended)  # the models were made with the map that is gone


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "there is no configs/stacks/nowhere.yaml.*default"), ("bad", "unknown key 'blender'")]
)
def test_mistaken_stacks_are_refused(tables, name, message):
    (tables.root / "configs/stacks/bad.yaml").write_text("blender: [{name: mean}]\nblenders: [{name: mean}]\nthresholds: [{name: exact}]\n")
    assert re.search(message, tables.project.refused(tables.stack("--stack", name)))


def test_holdout_is_not_tuned_on_and_scored_once(project):
    tables = Tables(project, holdout=0.2)
    held = int((tables.folds.fold == -1).sum())
    assert held > 20
    ended = tables.stack()
    assert ended.returncode == 0, ended.stderr
    assert f"stacking 3 models on {TRAIN - held} rows" in ended.stdout
    assert f"hold-out, {held} rows" in ended.stdout
    told = json.loads(tables.submissions()[1].read_text())
    assert 0.3 < told["holdout"]["value"] < 0.75

    tables.file("fair", "holdout-1").unlink()
    ended = tables.stack()
    assert f"hold-out not scored: fair did not predict its {held} rows" in ended.stdout
    again = json.loads(max(tables.submissions(), key=lambda path: (path.suffix == ".json", path.stat().st_mtime_ns)).read_text())
    assert "holdout" not in again
    assert again["nested"] == told["nested"]


def test_help_is_quick_and_loads_no_framework():
    code = "import sys, runpy; sys.argv = ['stack', '--help']\ntry: runpy.run_module('pipelines.stack', run_name='__main__')\nfinally: " + (
        "print([name for name in ('torch', 'tensorflow', 'sklearn', 'pandas') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=False, env=os.environ)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"


def test_stacking_loads_no_framework(tables):
    code = (
        "import sys, runpy; sys.argv = ['stack', '--competition', 'tables']\nrunpy.run_module('pipelines.stack', run_name='__main__')\n"
        + ("print([name for name in ('torch', 'tensorflow', 'timm') if name in sys.modules])")
    )
    command = [sys.executable, "-c", code]
    environment = tables.project.environment()
    ended = subprocess.run(command, cwd=tables.root, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"
