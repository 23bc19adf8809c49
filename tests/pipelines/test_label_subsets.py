"""Models of a class subset: trained, stacked on their subset alone, scored, and never mixed with models of all classes unasked."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from comp.competition.competition import load_competition
from comp.competition.labels import LabelSpace
from comp.predictions.prediction_file import Predictions, read_predictions
from comp.predictions.provenance import data_fingerprint
from pipelines.submit import default_message
from tests.pipelines.stacked_tables import CLASSES, TRAIN, YAML, Tables

SUBSET, COLUMNS = ("round", "striped"), [0, 2]
OTHER = ("bright", "absent")
STACK = """
blenders: [{name: mean}, {name: best_single}, {name: greedy, steps: 4}]
thresholds: [{name: exact}, {name: single}]
ablation: {name: mean}
bootstraps: 100
shift: true
"""


@pytest.fixture
def tables(project):
    made = Tables(project, holdout=0.1, apart=0.5)
    for name in ("first", "second"):
        (made.root / f"configs/stacks/{name}.yaml").write_text(STACK)
    return made


def stack(tables, *more, competition="tables"):
    ended = tables.project.call("stack", "--competition", competition, *more)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def newest(tables, competition="tables"):
    """The submission that was written last, and its sidecar."""
    sheet = max((tables.root / f"submissions/{competition}").glob("*.csv"), key=lambda path: path.stat().st_mtime_ns)
    return sheet, json.loads(sheet.with_suffix(".json").read_text())


def narrow_by_hand(tables, models):
    """A competition of the subset's classes alone, with its tables and the models' files cut by hand."""
    two = YAML.replace("data/tables", "data/narrow").replace(", ".join(CLASSES), ", ".join(SUBSET))
    (tables.root / "configs/competitions/narrow.yaml").write_text(two + 'tokens: ["0", "2"]\n')
    labels = tables.truth[:TRAIN][:, COLUMNS]
    data = tables.root / "data/narrow"
    data.mkdir()
    strings = [" ".join(token for token, is_positive in zip("02", row, strict=True) if is_positive) for row in labels]
    pd.DataFrame({"Id": tables.train_ids, "Target": strings}).to_csv(data / "train.csv", index=False)
    (data / "sample_submission.csv").write_text((tables.root / "data/tables/sample_submission.csv").read_text())
    tables.folds.write(tables.root / "oof/narrow/folds.csv")
    for model in models:
        for path in (tables.root / "oof/tables" / model).glob("*.parquet"):
            found = read_predictions(path)
            columns = [found.provenance.classes.index(name) for name in SUBSET]
            changed = {"competition": "narrow", "classes": SUBSET, "data": data_fingerprint(tables.train_ids, labels)}
            made = Predictions(found.ids, found.fold, found.logits[:, columns], found.provenance.model_copy(update=changed))
            made.write(tables.root / "oof/narrow" / model / path.name)


def assert_same_stack(tables, name):
    """The stacks of both competitions decide, report and predict the same."""
    (sheet, summary), (by_hand, expected) = newest(tables), newest(tables, "narrow")
    assert sheet.read_bytes() == by_hand.read_bytes()
    differ = {key for key in summary.keys() | expected.keys() if summary.get(key) != expected.get(key)}
    assert differ == {"competition", "data", "models", "note"}
    assert set(summary["curves"]) == set(summary["shift"]) == set(summary["logit_thresholds"]) == set(summary["classes"]) == set(SUBSET)
    for file in ("stack", "stack-test"):
        own, theirs = (read_predictions(tables.root / f"oof/{competition}/{name}/{file}.parquet") for competition in ("tables", "narrow"))
        assert own.provenance.classes == SUBSET
        np.testing.assert_array_equal(own.logits, theirs.logits)
    return summary


def test_a_stack_with_a_model_of_a_subset_is_the_stack_of_files_narrowed_by_hand(tables):
    narrow_by_hand(tables, ("good", "fair", "coin"))
    tables.restrict("fair", SUBSET)
    said = stack(tables, "--stack", "first", "--models", "good", "fair", "coin")
    assert "working on 2 of 4 classes, all that fair predicts: round, striped\n" in said
    stack(tables, "--stack", "first", competition="narrow")
    summary = assert_same_stack(tables, "first")
    details, expected = (newest(tables, name)[0].with_suffix(".txt").read_text() for name in ("tables", "narrow"))
    assert "hold-out, 20 rows: " in details
    assert summary["holdout"]["value"] > 0
    assert summary["ablation"]["models"].keys() == {"coin", "fair", "good"}
    note = f"labels of 2 of 4 classes only: over all 4, of which the other 2 count 0, expect {summary['nested']['value'] / 2:.4f}"
    assert summary["note"] == note
    assert f"\nwarnings       {note}\n" in said
    assert details.endswith(note + "\n")
    kept = [line.replace(" over 2 of 4 classes", " over all 2 classes") for line in details.splitlines() if line != note]
    assert kept == expected.splitlines()


def test_the_submission_holds_labels_of_the_subset_and_score_and_message_say_so(tables):
    tables.restrict("fair", SUBSET)
    stack(tables, "--stack", "first", "--models", "good", "fair")
    sheet, summary = newest(tables)
    rows = pd.read_csv(sheet, dtype=str, keep_default_na=False)
    assert rows.Id.tolist() == list(tables.test_ids)
    assert set(" ".join(rows.Predicted).split()) == {"0", "2"}
    space = LabelSpace.numbered(CLASSES)
    decisions, truth = space.multi_hot(rows.Predicted, tables.test_ids, "submission"), tables.truth[TRAIN:]

    known = pd.DataFrame({"Id": tables.test_ids, "Target": space.strings(truth), "Usage": "unshifted"})
    known.to_csv(tables.root / "known.csv", index=False)
    ended = tables.project.call("score", "--competition", "tables", "--labels", "known.csv")
    assert ended.returncode == 0, ended.stderr
    of_all, of_subset = (f1_score(truth[:, some], decisions[:, some], average="macro", zero_division=0) for some in (slice(None), COLUMNS))
    assert of_all == of_subset / 2
    assert re.findall(r"^unshifted +40 +(\S+)", ended.stdout, re.MULTILINE) == [f"{of_all:.4f}", f"{of_subset:.4f}"]
    assert "macro F1 over all 4 classes" in ended.stdout
    assert "over the 2 classes whose labels it can hold" in ended.stdout
    assert f"minus unshifted: {summary['nested']['value'] - of_subset:+.4f}" in ended.stdout

    competition = load_competition("tables", tables.root)
    assert default_message(sheet, competition).endswith(" over 2 of 4 classes")
    stack(tables, "--stack", "first", "--models", "good")
    assert not default_message(newest(tables)[0], competition).endswith("classes")
    ended = tables.project.call("vote", "--competition", "tables", "--file", str(sheet), str(newest(tables)[0]))
    assert f"{sheet} holds labels of only 2 of 4 classes; it votes against all others" in ended.stdout


def test_a_stack_of_all_classes_skips_models_of_a_subset_and_says_so(tables):
    tables.restrict("coin", SUBSET)
    said = stack(tables, "--stack", "first")
    assert "skipped coin: oof/tables/coin predicts 2 of 4 classes: list it in MODELS to include it\n" in said
    assert "stacking 2 models" in said
    assert "working on" not in said
    before = tables.submissions()
    assert "note" not in newest(tables)[1]
    assert newest(tables)[1]["classes"] == list(CLASSES)
    stack(tables, "--stack", "first", "--models", "good", "fair")
    assert tables.submissions() == before


def test_if_all_models_are_of_a_subset_the_error_says_what_to_type(tables):
    for model in ("coin", "fair", "good"):
        tables.restrict(model, SUBSET)
    line = tables.project.refused(tables.stack("--stack", "first"))
    assert line.endswith(
        'oof/tables holds no complete model of all 4 classes: list models by name: make stack COMP=tables MODELS="coin fair good"'
    )
    assert "working on 2 of 4 classes, all that coin predicts" in stack(tables, "--stack", "first", "--models", "coin", "fair", "good")
    assert "no complete model of all" in tables.project.refused(tables.stack("--stack", "second"))


def test_the_smallest_of_nested_subsets_is_worked_on(tables):
    tables.restrict("coin", ("round", "bright", "striped"))
    tables.restrict("fair", ("striped",))
    said = stack(tables, "--stack", "first", "--models", "good", "coin", "fair")
    assert "working on 1 of 4 classes, all that fair predicts: striped\n" in said
    assert set(pd.read_csv(newest(tables)[0], dtype=str, keep_default_na=False).Predicted) == {"2", ""}


def mixed_folds(tables):
    tables.restrict("fair", SUBSET, "fold-2")


def another_order(tables):
    tables.restrict("fair", SUBSET[::-1])


def ratios_inside_a_committee(tables):
    tables.restrict("fair", SUBSET)
    rule = "thresholds: [{name: committee, of: [{name: exact}, {name: ratio, ratios: {1: 0.3}}]}]"
    (tables.root / "configs/stacks/first.yaml").write_text(f"blenders: [{{name: mean}}]\n{rule}\n")


def other_subsets(tables):
    tables.restrict("fair", SUBSET)
    tables.restrict("good", OTHER)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            mixed_folds,
            "fair/fold-2.parquet has 2 classes and fold-0.parquet 4; only one of them has 'bright': .*make model .*MODEL=fair",
        ),
        (another_order, "fair/fold-0.parquet has its classes in another order than the competition"),
        (ratios_inside_a_committee, "the stack first gives `ratios` by the numbers of all classes, and fair predicts 2 of 4 classes"),
        (
            other_subsets,
            "good predicts 2 classes and fair 2, 2 of them not predicted by good, e.g. 'round': "
            "all models of a stack .*leave good or fair out of",
        ),
    ],
)
def test_models_without_a_common_subset_are_an_error_before_the_evaluation(tables, harm, message):
    harm(tables)
    ended = tables.stack("--stack", "first", "--models", "good", "fair")
    assert re.search(message, tables.project.refused(ended))
    assert "nested" not in ended.stdout
    assert not tables.submissions()


def test_a_stack_of_a_subset_is_a_model_of_that_subset(tables):
    narrow_by_hand(tables, ("good", "fair", "coin"))
    tables.restrict("fair", SUBSET)
    stack(tables, "--stack", "first", "--models", "good", "fair")
    said = stack(tables, "--stack", "second", "--models", "first", "coin")
    assert "working on 2 of 4 classes, all that first predicts: round, striped\n" in said
    stack(tables, "--stack", "first", "--models", "good", "fair", competition="narrow")
    stack(tables, "--stack", "second", "--models", "first", "coin", competition="narrow")
    assert assert_same_stack(tables, "second")["stacks"] == {"first": ["fair", "good"]}

    tables.restrict("coin", OTHER)
    error = tables.project.refused(tables.stack("--stack", "second", "--models", "first", "coin"))
    assert "coin predicts 2 classes and first 2, 2 of them not predicted by coin" in error


def test_a_stack_of_all_classes_is_fitted_again_on_the_subset_of_another_model(tables):
    narrow_by_hand(tables, ("good", "fair", "coin"))
    stack(tables, "--stack", "first", "--models", "good", "coin")
    tables.restrict("fair", SUBSET)
    assert "all that fair predicts" in stack(tables, "--stack", "second", "--models", "first", "fair")
    stack(tables, "--stack", "first", "--models", "good", "coin", competition="narrow")
    stack(tables, "--stack", "second", "--models", "first", "fair", competition="narrow")
    assert_same_stack(tables, "second")


def test_a_stack_of_a_subset_stays_one_when_its_models_predict_all_classes_again(tables):
    before = {path: path.read_bytes() for path in (tables.root / "oof/tables/fair").glob("*.parquet")}
    tables.restrict("fair", SUBSET)
    stack(tables, "--stack", "first", "--models", "good", "fair")
    for path, content in before.items():
        path.write_bytes(content)
    assert "working on 2 of 4 classes, all that first predicts" in stack(tables, "--stack", "second", "--models", "first", "coin")


def fold(project, *settings):
    return project.call("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0", "--set", " ".join(["train.epochs=1", *settings]))


def labels_of(root: Path, ids):
    table = pd.read_csv(root / "data/tiny/train.csv", dtype=str, keep_default_na=False).set_index("Id")
    return np.array([[str(column) in table.Target[name].split() for column in range(3)] for name in ids])


@pytest.mark.parametrize("settings", ["labels=[round,striped]", "labels=[2,round,'0']", "labels.top=2"])
def test_a_fold_is_trained_on_a_class_subset_and_scored_on_it(project, settings):
    ended = fold(project, settings)
    assert ended.returncode == 0, ended.stderr
    whole = labels_of(project.root, pd.read_csv(project.root / "data/tiny/train.csv").Id)
    columns = sorted(np.argsort(-whole.sum(axis=0), kind="stable")[:2].tolist()) if "top" in settings else [0, 2]
    names = tuple(("round", "bright", "striped")[column] for column in columns)
    folder = project.root / "oof/tiny/tiny"
    for name in ("fold-0", "test-0"):
        assert read_predictions(folder / f"{name}.parquet").provenance.classes == names
    found = read_predictions(folder / "fold-0.parquet")
    assert found.logits.shape == (len(found.ids), 2)
    assert found.provenance.data == data_fingerprint(pd.read_csv(project.root / "data/tiny/train.csv").Id.tolist(), whole)
    expected = f1_score(labels_of(project.root, found.ids)[:, columns], found.logits > 0, average="macro", zero_division=0)
    assert json.loads((folder / "run-0.json").read_text())["macro_f1_at_half"] == pytest.approx(expected)
    assert "complete, nothing to do" in fold(project, settings).stdout


def test_a_trained_subset_is_stacked_by_name(project):
    (project.root / "configs/stacks/first.yaml").write_text(STACK)
    for model, settings in (("tiny", "labels.top=2"), ("small", "seed=1")):
        ended = project.call("models", "--competition", "tiny", "--models", model, "--workers", "1", "--set", f"train.epochs=1 {settings}")
        assert ended.returncode == 0, ended.stderr
    ended = project.call("stack", "--competition", "tiny", "--stack", "first", "--models", "tiny", "small")
    assert ended.returncode == 0, ended.stderr
    assert "working on 2 of 3 classes, all that tiny predicts" in ended.stdout
    assert "skipped tiny:" in project.call("stack", "--competition", "tiny", "--stack", "first").stdout


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("[round, stripes]", "unknown class 'stripes': did you mean 'striped'?"),
        ("[round, 7]", "unknown class 7: use a name or token of: round, bright, striped"),
        ("{top: 99}", "there are no 99 classes: ask for at most 3"),
    ],
)
def test_the_error_for_unknown_labels_names_the_model(project, labels, message):
    path = project.root / "configs/models/tiny.yaml"
    path.write_text(path.read_text() + f"labels: {labels}\n")
    assert project.refused(fold(project)).endswith(f"labels of tiny: {message}")
    assert not (project.root / "oof/tiny").exists()


@pytest.mark.parametrize("labels", ["{top: 0}", "{top: true}", "{tip: 2}", "round", "{}", "[]", "[true]"])
def test_labels_of_another_form_are_an_error(project, labels):
    path = project.root / "configs/models/tiny.yaml"
    path.write_text(path.read_text() + f"labels: {labels}\n")
    line = project.refused(fold(project))
    assert "configs/models/tiny.yaml: labels = " in line
    assert line.endswith("write names or numbers, [Nucleoplasm, 25], or {top: 9}")
