"""Stacks as a user makes them: complete, evaluated, repeatable, and refused with one line that says what to type."""

import csv
import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from comp.competition.labels import LabelSpace
from comp.folds.fold_map import FoldMap
from tests.pipelines.stacked_tables import CLASSES, SKILL, TRAIN, Tables


@pytest.fixture
def tables(project):
    return Tables(project)


@pytest.mark.parametrize("unlabelled", [False, True])
def test_a_stack_is_evaluated_explained_and_written(project, unlabelled):
    tables = Tables(project, unlabelled=unlabelled)
    ended = tables.stack("--details")
    assert ended.returncode == 0, ended.stderr
    sheet, sidecar, text = tables.submissions()
    assert sheet.name.startswith("default-")
    assert [sidecar.name, text.name] == [sheet.stem + ".json", sheet.stem + ".txt"]
    assert text.read_text().strip() in ended.stdout

    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    assert [row["Id"] for row in rows] == list(tables.test_ids)
    said = LabelSpace.numbered(CLASSES).multi_hot([row["Predicted"] for row in rows], tables.test_ids, "submission")
    assert not said[:, 3].any()

    told = json.loads(sidecar.read_text())
    expected, empty = decided(tables, told, tables.test_ids)
    assert (said == expected).all()
    assert empty > 0
    assert (told["empty"], told["filled"]) == (empty, 0 if unlabelled else empty)
    assert (~said.any(axis=1)).sum() == empty - told["filled"]
    assert (said == tables.truth[TRAIN:])[:, :3].mean() > 0.75
    low, high = told["nested"]["interval"]
    assert low < told["nested"]["value"] < high
    assert f"expect {told['nested']['value']:.4f}" in ended.stdout
    assert set(told["models"]) == set(SKILL)
    assert len(told["models"]["good"]) == 8
    assert told["logit_thresholds"]["absent"] is None
    assert all(np.isfinite(told["logit_thresholds"][name]) for name in CLASSES[:3])
    assert told["folds"] == tables.folds.fingerprint
    note = f"{empty} had no label above its threshold and {'stay empty' if unlabelled else 'got their most likely one'}"
    assert f"(40 rows; {note})" in ended.stdout
    assert f"40 test rows; {note}" in text.read_text()
    assert len(told["candidates"]) == 6
    for line in [*told["candidates"], {"blender": "full pipeline", **told}]:
        assert printed(ended.stdout, line) == numbers_of(line)
    for subset in told["row_subsets"]:
        nested = f"{subset['nested']['value']:.4f} +- {subset['nested']['error']:.4f}"
        assert f"{subset['name']} groups: {nested} on {subset['rows']} rows" in ended.stdout
    known = tables.folds.known()
    assert {subset["name"]: subset["rows"] for subset in told["row_subsets"]} == {"known": known.sum(), "new": (~known).sum()}
    assert sum(one["folds_that_chose_it"] for one in told["candidates"]) == 4


def test_the_last_lines_are_a_summary_and_the_tables_are_in_a_file(tables):
    ended = tables.stack()
    assert ended.returncode == 0, ended.stderr
    sheet, sidecar, text = tables.submissions()
    told = json.loads(sidecar.read_text())
    before, lines = ended.stdout.rstrip().split("\n\n")
    assert before.endswith("stacking 3 models on 200 rows in 4 folds: coin, fair, good")
    assert "in-sample" in text.read_text()
    assert "in-sample" not in ended.stdout
    said = dict(line.split("  ", 1) for line in lines.replace("expected score ", "expected score  ").splitlines())
    assert len(lines.splitlines()) <= 10
    assert f"submissions/tables/{sheet.name} (40 rows" in said["submission"]
    (low, high), nested = told["nested"]["interval"], told["nested"]["value"]
    assert f"{nested:.3f} macro F1, 95 % interval {low:.3f} to {high:.3f}" in said["expected score"]
    assert said["expected score"].endswith(": the mean of single-fold networks on rows like these (nested cross-validation)")
    expected = told["expected"]
    low, high = expected["interval"]
    assert 0 <= low <= expected["value"] <= high <= 1
    assert expected["error"] > told["nested"]["error"]
    on_test = (
        f"{expected['value']:.3f}, 95 % interval {low:.3f} to {high:.3f}: the submission on 40 rows like these"
        "; it averages 4 folds, which may score higher"
    )
    assert said["test set"].strip() == on_test
    few = (
        f"few groups: {expected['groups']}, which count like {expected['groups_in_effect']:.0f} of equal size; random halves of them score "
    )
    few += f"{expected['halves']['mean']:.3f} +- {expected['halves']['spread']:.3f}"
    assert few in lines
    assert few in text.read_text()
    line = f"the submission on 40 test rows: expect {expected['value']:.4f}, 95 % interval {low:.4f} to {high:.4f}; it averages 4 folds"
    assert line in text.read_text()
    best = max((one for one in told["candidates"] if one["blender"] == "best_single"), key=lambda one: one["nested"]["value"])
    assert said["best single"].strip().startswith(f"{best['nested']['value']:.3f}, 95 % interval")
    assert said["best single"].endswith(": good")
    assert f"{told['candidate']['blender']} + {told['candidate']['thresholds']} thresholds" in said["chosen"]
    assert f"good {told['weights'][0]['good']:.2f}" in said["models"]
    assert f"submissions/tables/{text.name}" in said["details"]


def test_many_warnings_still_fit_in_ten_lines(project):
    """A hold-out that one model did not predict, a label shift, a model that hurts and a class subset."""
    tables = Tables(project, holdout=0.2, train=2000, test=1500, shifted=0.7, apart=1.0)
    for model in SKILL:
        tables.restrict(model, CLASSES[:3])
    tables.file("fair", "holdout-1").unlink()
    recipe = "blenders: [{name: mean}, {name: best_single}]\nthresholds: [{name: exact}]\nbootstraps: 100\nablation: {name: mean}\n"
    (tables.root / "configs/stacks/hurt.yaml").write_text(recipe)
    ended = tables.stack("--models", *SKILL, "--stack", "hurt")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.rstrip().split("\n\n")[-1].splitlines()
    assert len(lines) <= 10
    assert "macro F1 over 3 of 4 classes" in lines[1]
    warnings = "\n".join(lines[lines.index(next(line for line in lines if line.startswith("warnings"))) :])
    assert "labels of 3 of 4 classes only: over all 4, of which the other 1 count 0, expect" in warnings
    assert "label shift between train and test in round: " in warnings
    assert "2 more, see the details" in warnings
    details = tables.submissions()[2].read_text()
    assert "hold-out not scored: fair did not predict its" in details
    assert "models that lower the score by more than 1 standard error: coin" in details


def test_a_model_that_memorised_its_held_out_rows_is_remarked_on(project):
    tables = Tables(project, train=1600, test=300)
    tables.logits["fair"][:1600:2] = np.where(tables.truth[:1600:2], 8, -8)
    tables.write("fair", tables.truth[:1600])
    ended = tables.stack("--stack", "quick")
    assert ended.returncode == 0, ended.stderr
    line = "far surer on held-out rows than on test images, as if trained on the held-out rows' labels (a leak?): fair"
    assert ended.stdout.count(line) == 1
    told = json.loads(tables.submissions()[1].read_text())
    assert told["leaking"] == ["fair"]
    assert told["expected"]["groups_in_effect"] > 300
    assert told["expected"]["halves"] is None
    assert "random halves" not in ended.stdout
    assert line in tables.submissions()[2].read_text()


def decided(tables, told, ids):
    """The decisions (N, C) that follow from a sidecar and the prediction files' logits, and how many rows had no label above its
    threshold. Such rows are filled if every train row has a label.
    """
    number_of = {name: number for number, name in enumerate((*tables.train_ids, *tables.test_ids))}
    rows = [number_of[name] for name in ids]
    probs = sum(weight / (1 + np.exp(-tables.logits[model][rows].astype(float))) for model, weight in told["weights"][0].items())
    thresholds = [np.inf if limit is None else limit for limit in told["logit_thresholds"].values()]
    above = np.log(probs / (1 - probs)) - thresholds
    decisions = above >= 0
    empty = ~decisions.any(axis=1)
    if tables.truth[:TRAIN].any(axis=1).all():
        decisions[empty, above[empty].argmax(axis=1)] = True
    return decisions, empty.sum()


def printed(output, line):
    """The numbers of a candidate's line of the table, or the full pipeline's; a gain over itself is printed as "-"."""
    name = f"{line['blender']} + {line['thresholds']}" if "thresholds" in line else "full pipeline"
    text = next(shown.removeprefix(name) for shown in output.splitlines() if shown.startswith(name + " "))
    text = re.sub(r"(?<=\s)-(?=\s|$)", "0 +- 0", text)
    return [float(number) for number in re.findall(r"[+-]?\d+(?:\.\d+)?", text.replace("+- ", ""))]


def numbers_of(line):
    """The same from the sidecar, as far as the table prints them."""
    nested, gains = line["nested"], line["gains"]
    found = [nested["value"], nested["error"], line["in_sample"]]
    found += [gain[key] for name in ("best_single", "mean") for gain in [gains[name]] for key in ("value", "error")]
    return [round(number, 4) for number in found] + ([line["folds_that_chose_it"], 4] if "thresholds" in line else [])


def test_twice_gives_the_same_bytes_and_the_order_of_tables_and_files_does_not_matter(tables):
    assert tables.stack().returncode == 0
    before = {path.name: path.read_bytes() for path in tables.submissions()}
    train = tables.root / "data/tables/train.csv"
    table = pd.read_csv(train, dtype=str, keep_default_na=False)
    table.iloc[::-1].to_csv(train, index=False)
    folds = tables.folds
    FoldMap(folds.ids[::-1], folds.fold[::-1], folds.group[::-1]).write(tables.root / "oof/tables/folds.csv")
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
    assert "skipped fair:" in ended.stdout
    assert "make fold-2 COMP=tables MODEL=fair" in ended.stdout
    assert "stacking 2 models" in ended.stdout
    error = tables.project.refused(tables.stack("--models", "good", "fair"))
    assert "fair/fold-2.parquet" in error
    assert "make fold-2 COMP=tables MODEL=fair" in error


def test_missing_test_predictions_name_their_fold(tables):
    error = tables.project.refused(tables.stack("--models", "good", "resnet18"))
    assert "there is no oof/tables/resnet18/fold-0.parquet: make fold-0 COMP=tables MODEL=resnet18" in error
    tables.file("good", "test-1").unlink()
    assert "make fold-1 COMP=tables MODEL=good" in tables.project.refused(tables.stack("--models", "good"))


def test_a_model_that_nobody_knows_is_answered_with_those_there_are(tables):
    nowhere = "in oof/tables, nor in configs/models"
    error = tables.project.refused(tables.stack("--models", "good", "other"))
    assert f"there is no model other {nowhere}: choose one of: coin, fair, good" in error
    error = tables.project.refused(tables.stack("--models", "goof"))
    assert f"there is no model goof {nowhere}: did you mean good?" in error


def test_no_models_at_all_says_how_to_get_one(tables):
    for path in (tables.root / "oof/tables").glob("*/*.parquet"):
        path.unlink()
    assert "make model COMP=tables MODEL=densenet121" in tables.project.refused(tables.stack())


def test_missing_fold_map_is_made(tables):
    (tables.root / "oof/tables/folds.csv").unlink()
    ended = tables.stack()
    assert "making oof/tables/folds.csv" in ended.stdout
    assert "another fold map" in tables.project.refused(ended)  # the models were made with the map that is gone


def test_two_folds_leave_nothing_to_choose_by(tables):
    folds = tables.folds
    FoldMap(folds.ids, folds.fold % 2, folds.group).write(tables.root / "oof/tables/folds.csv")
    error = tables.project.refused(tables.stack())
    assert "oof/tables/folds.csv has 2 folds" in error
    assert "remove the map and the predictions made with it, then: make folds COMP=tables" in error


def test_with_one_model_every_blend_is_the_same(tables):
    ended = tables.stack("--models", "good")
    assert ended.returncode == 0, ended.stderr
    assert "stacking 1 model on 200 rows" in ended.stdout
    assert "best single" not in ended.stdout
    assert "one model: there is nothing to blend" in tables.submissions()[2].read_text()
    told = json.loads(tables.submissions()[1].read_text())
    assert len({one["nested"]["value"] for one in told["candidates"]}) == 2


def test_files_of_an_earlier_hold_out_are_not_read(tables):
    assert tables.stack().returncode == 0
    before = tables.submissions()
    tables.file("fair", "holdout-0").write_bytes(b"of another map")
    assert tables.stack().returncode == 0
    assert tables.submissions() == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "there is no configs/stacks/nowhere.yaml.*default"),
        ("key", "configs/stacks/key.yaml: unknown key 'blender'"),
        ("blender", "configs/stacks/blender.yaml: blenders: there is no 'gredy': choose one of: .*greedy"),
        ("option", "configs/stacks/option.yaml: thresholds.bagged: bags = 0 does not fit"),
    ],
)
def test_mistaken_stacks_are_refused_before_predictions_are_read(tables, name, message):
    stacks = tables.root / "configs/stacks"
    (stacks / "key.yaml").write_text("blender: [{name: mean}]\nblenders: [{name: mean}]\nthresholds: [{name: exact}]\n")
    (stacks / "blender.yaml").write_text("blenders: [{name: gredy}]\nthresholds: [{name: exact}]\n")
    (stacks / "option.yaml").write_text("blenders: [{name: mean}]\nthresholds: [{name: bagged, bags: 0}]\n")
    tables.file("fair", "fold-2").write_bytes(b"")
    assert re.search(message, tables.project.refused(tables.stack("--stack", name)))


@pytest.mark.parametrize("unlabelled", [False, True])
def test_holdout_is_not_tuned_on_and_scored_once(project, unlabelled):
    tables = Tables(project, holdout=0.2, unlabelled=unlabelled)
    held = int((tables.folds.fold == -1).sum())
    assert held > 20
    ended = tables.stack("--details")
    assert ended.returncode == 0, ended.stderr
    assert f"stacking 3 models on {TRAIN - held} rows" in ended.stdout
    assert f" on {held} rows that nothing was tuned on" in ended.stdout
    told = json.loads(tables.submissions()[1].read_text())
    ids = np.array(tables.train_ids)[tables.folds.fold == -1]
    truth = tables.truth[:TRAIN][tables.folds.fold == -1]
    score = f1_score(truth, decided(tables, told, ids)[0], average="macro", zero_division=0)
    assert told["holdout"]["value"] == pytest.approx(score)
    assert f"hold-out, {held} rows: {score:.4f} +- " in ended.stdout

    tables.file("fair", "holdout-1").unlink()
    ended = tables.stack()
    assert f"hold-out not scored: fair did not predict its {held} rows" in ended.stdout
    again = json.loads(max(tables.submissions(), key=lambda path: (path.suffix == ".json", path.stat().st_mtime_ns)).read_text())
    assert "holdout" not in again
    assert again["nested"] == told["nested"]


def test_help_loads_no_framework():
    code = "import sys, runpy; sys.argv = ['stack', '--help']\ntry: runpy.run_module('pipelines.stack', run_name='__main__')\nfinally: " + (
        "print([name for name in ('torch', 'timm', 'tensorflow', 'keras', 'sklearn', 'lightgbm') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
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
