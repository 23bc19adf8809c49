"""Label files and overlays: imported without a declaration, voting, and never taken for something with a nested score."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from comp.predictions.prediction_file import Predictions, read_predictions
from tests.conftest import REPOSITORY

YAML = "title: Tables\ndata: data/tables\nimages:\nclasses: [round, bright, striped]\n"
TRAIN, TEST = 30, 8


class Labels:
    """A competition without images, and label files for it."""

    def __init__(self, project):
        self.project, self.root = project, project.root
        rng = np.random.default_rng(0)
        (self.root / "configs/competitions/tables.yaml").write_text(YAML)
        ids = [f"00{number}" for number in rng.permutation(TRAIN + TEST)]
        self.train_ids, self.test_ids = ids[:TRAIN], ids[TRAIN:]
        data = self.root / "data/tables"
        data.mkdir(parents=True)
        truth = rng.random((TRAIN, 3)) < 0.4
        truth[:, 2] |= ~truth.any(axis=1)
        targets = self.strings(truth)
        pd.DataFrame({"Id": self.train_ids, "Target": targets}).to_csv(data / "train.csv", index=False)
        pd.DataFrame({"Id": self.test_ids, "Predicted": "0"}).to_csv(data / "sample_submission.csv", index=False)
        self.decisions = {}
        for number, name in enumerate(("a", "b", "c")):
            decided = rng.random((TEST, 3)) < 0.4
            decided[:, 2] |= ~decided.any(axis=1)
            decided[4] = np.arange(3) == number  # a row on which no two agree
            self.decisions[name] = decided
            self.write(f"{name}.csv", decided)

    def strings(self, decisions):
        return [" ".join(map(str, np.flatnonzero(row))) for row in decisions]

    def write(self, name, decisions, ids=None, columns=("Id", "Predicted")):
        """A submission with its rows in another order than the sample's."""
        table = pd.DataFrame({columns[0]: ids or self.test_ids, columns[1]: self.strings(decisions)})
        table.sample(frac=1, random_state=1).to_csv(self.root / name, index=False)

    def call(self, module, *more):
        return self.project.call(module, "--competition", "tables", *more)

    def bring(self, model="kernel", test="a.csv", *more):
        return self.call("importing", "--model", model, "--test", test, *more)

    def refused(self, *typed):
        return self.project.refused(self.call(*typed))

    def made(self):
        """The one CSV in submissions/, its rows and its sidecar."""
        (path,) = (self.root / "submissions/tables").glob("*.csv")
        return path, pd.read_csv(path, dtype=str, keep_default_na=False), json.loads(path.with_suffix(".json").read_text())

    def label_only(self, model="kernel"):
        return self.root / f"oof/tables/{model}/label-only.parquet"


@pytest.fixture
def labels(project):
    return Labels(project)


def test_a_submission_becomes_a_label_file_without_a_declaration(labels):
    ended = labels.bring()
    assert ended.returncode == 0, ended.stderr
    assert "oof/tables/kernel/label-only.parquet: labels of 8 rows of sample_submission.csv" in ended.stdout
    assert 'let it vote: make vote COMP=tables MODELS="kernel ..."' in ended.stdout
    assert "DECLARED" not in ended.stdout
    found = read_predictions(labels.label_only())
    assert found.ids == tuple(labels.test_ids)
    assert (found.fold == -1).all()
    np.testing.assert_array_equal(found.logits, np.where(labels.decisions["a"], 16, -16))
    assert (found.provenance.kind, found.provenance.declared) == ("label_only", None)
    before = labels.label_only().read_bytes()
    assert labels.bring().returncode == 0
    assert labels.label_only().read_bytes() == before


@pytest.mark.parametrize(
    ("ids", "labelled", "message"),
    [
        (lambda ids: ids[:-1], None, "bad.csv lacks 1 of the 8 ids of sample_submission.csv"),
        (lambda ids: [*ids, "stranger"], None, "bad.csv holds 1 ids that sample_submission.csv does not, e.g. stranger"),
        (lambda ids: [ids[1], *ids[1:]], None, "bad.csv holds id .* twice"),
        (None, "0 7", "bad.csv: unknown label '7' of id 00"),
        (None, "1 1", "bad.csv: label '1' of id 00.* is repeated"),
        (None, "", "bad.csv: the prediction of id 00.* is empty"),
    ],
)
def test_label_files_that_kaggle_would_refuse_are_refused(labels, ids, labelled, message):
    names = ids(labels.test_ids) if ids else labels.test_ids
    strings = ["0"] * (len(names) - 1) + [labelled if labelled is not None else "1"]
    pd.DataFrame({"Id": names, "Predicted": strings}).to_csv(labels.root / "bad.csv", index=False)
    error = labels.project.refused(labels.bring(test="bad.csv"))
    assert re.search(message, error)
    assert error.endswith("correct it, or ask its maker for the file as it was submitted")
    assert not (labels.root / "oof").exists()


def test_a_file_that_is_not_a_label_file_needs_predictions_of_train_rows(labels):
    np.save(labels.root / "test.npy", np.full((TEST, 3), 0.5))
    pd.DataFrame({"Id": labels.test_ids, "Target": "0"}).to_csv(labels.root / "other.csv", index=False)
    for name in ("test.npy", "other.csv"):
        error = labels.project.refused(labels.bring(test=name))
        assert f"{name} is not a label file (a CSV with the columns Id,Predicted)" in error
        assert "add VAL=" in error
    assert "there is no gone.csv" in labels.project.refused(labels.bring(test="gone.csv"))
    assert "there is nothing to import" in labels.refused("importing", "--model", "kernel")
    assert "has its own ids and no logits: leave out --test-ids, --logits" in labels.project.refused(
        labels.bring("kernel", "a.csv", "--logits", "--test-ids", "ids.txt")
    )


def test_labels_are_not_taken_for_predictions(labels):
    np.save(labels.root / "val.npy", np.random.default_rng(0).random((TRAIN, 3)))
    predicted = ("--val", "val.npy", "--declare", "oof")
    error = labels.project.refused(labels.bring("kernel", "a.csv", *predicted))
    assert "a.csv is a label file, which does not say how sure kernel was" in error
    np.save(labels.root / "test.npy", labels.decisions["a"].astype(float))
    error = labels.project.refused(labels.bring("kernel", "test.npy", *predicted))
    assert "test.npy holds decisions, only 0 and 1" in error
    assert "TEST=file.csv with Id,Predicted" in error
    assert not (labels.root / "oof").exists()


def test_a_name_belongs_to_one_model(labels):
    assert labels.bring().returncode == 0
    np.save(labels.root / "val.npy", np.random.default_rng(0).random((TRAIN, 3)))
    ended = labels.call("importing", "--model", "kernel", "--val", "val.npy", "--declare", "oof")
    assert "oof/tables/kernel holds a label file already" in labels.project.refused(ended)
    assert labels.call("importing", "--model", "theirs", "--val", "val.npy", "--declare", "oof").returncode == 0
    assert "oof/tables/theirs holds an imported model already" in labels.project.refused(labels.bring("theirs"))


def test_three_label_files_vote_by_majority_without_a_nested_score(labels):
    for model in ("a", "b"):
        assert labels.bring(f"kernel-{model}", f"{model}.csv").returncode == 0
    ended = labels.call("vote", "--models", "kernel-a", "kernel-b", "--file", "c.csv")
    assert ended.returncode == 0, ended.stderr
    votes = sum(each.astype(int) for each in labels.decisions.values())
    wanted = votes >= 2
    empty = ~wanted.any(axis=1)
    assert empty[4]
    wanted[empty, votes[empty].argmax(axis=1)] = True
    path, table, sidecar = labels.made()
    assert re.fullmatch(r"vote-[0-9a-f]{8}\.csv", path.name)
    assert table["Id"].tolist() == labels.test_ids
    assert table["Predicted"].tolist() == labels.strings(wanted)
    assert "NO nested score" in ended.stdout
    assert "nested" not in sidecar
    assert sidecar["vote"]["at_least"] == 2
    assert set(sidecar["vote"]["models"]) == {"kernel-a", "kernel-b"}
    assert [file["name"] for file in sidecar["vote"]["files"]] == ["c.csv"]
    assert sidecar["filled"] == empty.sum()
    assert re.search(r"^\[3\]  c.csv +0\.\d{4}  0\.\d{4}$", ended.stdout, re.MULTILINE)
    again = labels.call("vote", "--file", "c.csv", "--models", "kernel-b", "kernel-a")
    assert again.stdout == ended.stdout
    labels.made()


def test_at_least_says_how_many_votes_a_label_needs(labels):
    files = ("--file", "a.csv", "b.csv", "c.csv")
    assert labels.call("vote", *files, "--at-least", "1").returncode == 0
    assert labels.made()[1]["Predicted"].tolist() == labels.strings(np.logical_or.reduce([*labels.decisions.values()]))
    for wrong in ("0", "4"):
        assert f"AT_LEAST={wrong} of 3 files: ask for 1 to 3" in labels.refused("vote", *files, "--at-least", wrong)


def test_score_prints_no_nested_score_for_a_vote(labels):
    assert labels.call("vote", "--file", "a.csv", "b.csv").returncode == 0
    truth = pd.DataFrame({"Id": labels.test_ids, "Target": labels.strings(labels.decisions["a"]), "Usage": "unshifted"})
    truth.to_csv(labels.root / "truth.csv", index=False)
    ended = labels.call("score", "--labels", "truth.csv")
    assert ended.returncode == 0, ended.stderr
    assert "nested" not in ended.stdout


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ((), "a vote needs at least two files, but got 0: give more"),
        (("--file", "a.csv"), "a vote needs at least two files, but got 1"),
        (("--file", "a.csv", "./a.csv"), "a.csv is given twice"),
        (("--file", "a.csv", "gone.csv"), "there is no gone.csv"),
        (("--models", "kernel", "nobody"), "there is no oof/tables/nobody/label-only.parquet: make import COMP=tables MODEL=nobody TEST="),
        (("--models", "kernel", "theirs"), "theirs has predictions and is not a label file"),
        (("--models", "kernel", "--file", "few.csv"), "few.csv lacks 1 of the 8 ids"),
        (("--models", "kernel", "--file", "a.csv", "--at-least", "3"), "AT_LEAST=3 of 2 files"),
        (("--models", "kernel", "--file", "a.csv", "--at-least", "9" * 4000), "characters) of 2 files: ask for 1 to 2"),
        (("--models", "kernel", "../theirs"), "MODEL=../theirs is not a model name"),
        (("--models", "kernel", "x" * 300), "... (300 characters) is not a model name"),
    ],
)
def test_impossible_votes_are_refused(labels, typed, message):
    assert labels.bring().returncode == 0
    np.save(labels.root / "val.npy", np.random.default_rng(0).random((TRAIN, 3)))
    assert labels.call("importing", "--model", "theirs", "--val", "val.npy", "--declare", "oof").returncode == 0
    labels.write("few.csv", labels.decisions["b"][:-1], labels.test_ids[:-1])
    assert message in labels.refused("vote", *typed)
    assert not (labels.root / "submissions").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"classes": ("round", "bright", "dotted")},
            "kernel/label-only.parquet has the class 'dotted' where the competition has 'striped'",
        ),
        ({"competition": "other"}, "kernel/label-only.parquet was made as competition other, not tables"),
        ({"kind": "test"}, "kernel/label-only.parquet was made as kind test, not label_only"),
        ({"model": "theirs"}, "kernel/label-only.parquet was made as model theirs, not kernel"),
    ],
)
def test_a_label_file_that_does_not_match_its_path_does_not_vote(labels, change, message):
    assert labels.bring().returncode == 0
    found = read_predictions(labels.label_only())
    Predictions(found.ids, found.fold, found.logits, found.provenance.model_copy(update=change)).write(labels.label_only())
    error = labels.refused("vote", "--models", "kernel", "--file", "b.csv")
    assert message in error
    assert error.endswith("make import COMP=tables MODEL=kernel TEST=submission.csv")


def test_a_label_file_of_other_images_does_not_vote(labels):
    assert labels.bring().returncode == 0
    sample = labels.root / "data/tables/sample_submission.csv"
    sample.write_text(sample.read_text().replace(f"{labels.test_ids[0]},", "new,"))
    assert "kernel lack id new (1 missing)" in labels.refused("vote", "--models", "kernel", "--file", "b.csv")


def known(labels, rows, name="leak.csv", columns=("Id", "Target")):
    """A table of the other files' labels for some of the test images."""
    decided = labels.decisions["b"][rows]
    labels.write(name, decided, [labels.test_ids[row] for row in rows], columns)
    return decided


@pytest.mark.parametrize("columns", [("Id", "Target"), ("Id", "Predicted")])
def test_known_labels_replace_those_of_the_submission_in_a_file_that_says_so(labels, columns):
    rows = [5, 0, 3]
    wanted = labels.decisions["a"].copy()
    wanted[rows] = known(labels, rows, columns=columns)
    changed = int((wanted != labels.decisions["a"]).any(axis=1).sum())
    ended = labels.call("overlay", "--file", "a.csv", "--labels", "leak.csv")
    assert ended.returncode == 0, ended.stderr
    path, table, sidecar = labels.made()
    assert re.fullmatch(r"a-overlay-[0-9a-f]{8}\.csv", path.name)
    assert table["Id"].tolist() == labels.test_ids
    assert table["Predicted"].tolist() == labels.strings(wanted)
    assert (sidecar["overlay"]["rows"], sidecar["overlay"]["changed"]) == (3, changed)
    assert sidecar["overlay"]["table"]["name"] == "leak.csv"
    assert re.fullmatch("[0-9a-f]{16}", sidecar["overlay"]["table"]["hash"])
    assert sidecar["overlay"]["submission"]["name"] == "a.csv"
    assert "its score says nothing about the models" in sidecar["note"]
    assert sidecar["note"] in ended.stdout
    assert "nested" not in sidecar


@pytest.mark.parametrize(
    ("form", "text"),
    [("one_hot", "Id,0,1,2\n{0},0,1,1\n{1},1,0,0\n"), ("long", "Id,Target\n{0},1\n{1},0\n{0},2\n")],
)
def test_known_labels_may_have_the_form_of_the_train_table(labels, form, text):
    (labels.root / "configs/competitions/tables.yaml").write_text(f"{YAML}columns: {{form: {form}}}\n")
    ids = labels.test_ids
    (labels.root / "data/tables/train.csv").write_text(text.format(*labels.train_ids))
    (labels.root / "leak.csv").write_text(text.format(ids[3], ids[6]))
    ended = labels.call("overlay", "--file", "a.csv", "--labels", "leak.csv")
    assert ended.returncode == 0, ended.stderr
    wanted = labels.decisions["a"].copy()
    wanted[3], wanted[6] = [False, True, True], [True, False, False]
    assert labels.made()[1]["Predicted"].tolist() == labels.strings(wanted)


def test_an_overlay_of_a_submission_with_a_nested_score_has_none(labels):
    scored = labels.root / "submissions/tables/default-00000000.csv"
    scored.parent.mkdir(parents=True)
    labels.write("submissions/tables/default-00000000.csv", labels.decisions["a"])
    scored.with_suffix(".json").write_text(json.dumps({"nested": {"value": 0.5, "error": 0.01}}))
    known(labels, [1, 2])
    ended = labels.call("overlay", "--labels", "leak.csv")  # of the newest
    assert ended.returncode == 0, ended.stderr
    (laid,) = scored.parent.glob("default-00000000-overlay-*.csv")
    assert "nested" not in json.loads(laid.with_suffix(".json").read_text())
    assert f"make submit COMP=tables FILE={scored.relative_to(labels.root)}" in ended.stdout
    error = labels.refused("overlay", "--labels", "leak.csv")  # the newest is the overlay now
    assert f"{laid.relative_to(labels.root)} is an overlay" in error
    laid.with_suffix(".json").unlink()
    assert "is an overlay" in labels.refused("overlay", "--labels", "leak.csv", "--file", str(laid))
    assert "is an overlay" in labels.refused("vote", "--file", "a.csv", str(laid))
    assert "is an overlay" in labels.project.refused(labels.bring("kernel", str(laid)))


def test_submit_says_that_the_newest_is_an_overlay(labels):
    (labels.root / "configs/competitions/tables.yaml").write_text(f"{YAML}slug: tables\n")
    known(labels, [1, 2])
    assert labels.call("overlay", "--file", "a.csv", "--labels", "leak.csv").returncode == 0
    environment = {"KAGGLE_CONFIG_DIR": str(labels.root), "HOME": str(labels.root), "KAGGLE_API_ENVIRONMENT": "LOCALHOST"}
    ended = labels.project.type("submit", "--competition", "tables", **environment, no_proxy="", http_proxy="http://127.0.0.1:9")
    assert "(the newest; FILE=... takes another)" in ended.stdout
    assert "note: an OVERLAY: 2 of 8 rows have the labels of leak.csv" in ended.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Id,Target\nstranger,1\n", "leak.csv has no id in common with sample_submission.csv"),
        ("Id,Target\n{0},1\nstranger,1\n", "leak.csv holds 1 ids that sample_submission.csv does not, e.g. stranger"),
        ("Id,Target\n{0},9\n", "leak.csv: unknown label '9' of id {0}"),
        ("Id,Target\n{0},\n", "leak.csv: id {0} has no label"),
        ("Id,Target\n{0},1\n{0},0\n", "leak.csv: id {0} appears twice"),
        ("Id,Target\n", "leak.csv has no rows"),
        ("Id,labels\n{0},1\n", "leak.csv has no column 'Target' or 'Predicted'"),
        ("name,Target\n{0},1\n", "leak.csv has no column 'Id': it has name, Target; name its column of ids Id"),
        ("", "leak.csv cannot be read as CSV"),
        (None, "there is no leak.csv"),
    ],
)
def test_bad_tables_of_known_labels_are_refused(labels, text, message):
    if text is not None:
        (labels.root / "leak.csv").write_text(text.format(labels.test_ids[0]))
    error = labels.refused("overlay", "--file", "a.csv", "--labels", "leak.csv")
    assert message.format(labels.test_ids[0]) in error
    assert not (labels.root / "submissions").exists()


def test_where_a_train_image_has_no_label_rows_may_be_empty(labels):
    train = pd.read_csv(labels.root / "data/tables/train.csv", dtype=str)
    train.loc[7, "Target"] = ""
    train.to_csv(labels.root / "data/tables/train.csv", index=False)
    empty = labels.decisions["a"].copy()
    empty[[2, 5]] = False
    labels.write("empty.csv", empty)
    assert labels.bring("kernel", "empty.csv").returncode == 0
    found = read_predictions(labels.label_only())
    np.testing.assert_array_equal(found.aligned(tuple(labels.test_ids)) > 0, empty)

    ended = labels.call("vote", "--models", "kernel", "--file", "b.csv", "c.csv")
    assert ended.returncode == 0, ended.stderr
    path, table, sidecar = labels.made()
    voted = empty.astype(int) + labels.decisions["b"] + labels.decisions["c"] >= 2
    assert table["Predicted"].tolist() == labels.strings(voted)
    count = int((~voted).all(axis=1).sum())
    assert count > 0
    assert (sidecar["empty"], sidecar["filled"]) == (count, 0)
    assert f"{count} rows had none and stay empty" in ended.stdout

    path.unlink()
    known(labels, [1])
    (labels.root / "leak.csv").write_text(f"Id,Target\n{labels.test_ids[0]},\n{labels.test_ids[5]},2\n")
    ended = labels.call("overlay", "--file", "empty.csv", "--labels", "leak.csv")
    assert ended.returncode == 0, ended.stderr
    laid = empty.copy()
    laid[0], laid[5] = False, [False, False, True]
    assert labels.made()[1]["Predicted"].tolist() == labels.strings(laid)


def test_make_passes_files_models_and_labels_on():
    def typed(*given):
        command = ["make", "--no-print-directory", *given, "COMP=hpa", f"PYTHON={sys.executable}", "RUN=printf '%s|' "]
        return subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=True).stdout

    voted = typed("vote", "MODELS=a b", "FILE=c.csv d.csv", "AT_LEAST=3")
    assert "vote|--competition=hpa|--models|a|b|--file|c.csv|d.csv|--at-least=3|" in voted
    assert "overlay|--competition=hpa|--file=my file.csv|--labels=l.csv|" in typed("overlay", "FILE=my file.csv", "LABELS=l.csv")
    assert typed("import", "MODEL=m", "TEST=t.csv").endswith("importing|--competition=hpa|--model=m|--test=t.csv|")
