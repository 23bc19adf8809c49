"""`make import` reads tables of predictions in many formats; values and ids stay the same."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comp.metrics.logits import logit
from comp.predictions.prediction_file import read_predictions
from pipelines import importing, stack
from pipelines.command import run
from tests.conftest import REPOSITORY

YAML = "title: Tables\ndata: data/tables\nimages:\nclasses: [round, bright, striped]\n"
TRAIN, TEST = 30, 8
REAL = Path(os.environ.get("HPA_SHARED", "nowhere")) / "hpa-stack"


class Elsewhere:
    """A competition without images, and probabilities for it that were made elsewhere."""

    def __init__(self, project):
        self.project, self.root = project, project.root
        rng = np.random.default_rng(0)
        (self.root / "configs/competitions/tables.yaml").write_text(YAML)
        data = self.root / "data/tables"
        data.mkdir(parents=True)
        self.ids = [f"00{number}" for number in rng.permutation(TRAIN + TEST)]
        self.train_ids, self.test_ids = self.ids[:TRAIN], self.ids[TRAIN:]
        targets = [" ".join(map(str, np.flatnonzero(row))) for row in rng.random((TRAIN, 3)) < 0.4]
        pd.DataFrame({"Id": self.train_ids, "Target": targets}).to_csv(data / "train.csv", index=False)
        pd.DataFrame({"Id": self.test_ids, "Predicted": "0"}).to_csv(data / "sample_submission.csv", index=False)
        self.val, self.test = rng.random((TRAIN, 3)), rng.random((TEST, 3))
        self.val[0] = [0.0, 1.0, 0.5]
        np.save(self.root / "val.npy", self.val)
        np.save(self.root / "test.npy", self.test)

    def bring(self, *more, val="val.npy", test="test.npy", model="theirs"):
        files = ["--val", val, *(["--test", test] if test else [])]
        return self.typed(importing.main, "--model", model, *files, "--declare", "holdout", *more)

    def typed(self, command, *arguments):
        """Type a command, without starting another Python."""
        code = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            patch.chdir(self.root)
            patch.setattr(sys, "argv", [command.__module__, "--competition", "tables", *arguments])
            try:
                run(command)
            except SystemExit as ended:
                code = ended.code
        return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())

    def imported(self, name="imported"):
        return read_predictions(self.root / f"oof/tables/theirs/{name}.parquet")


@pytest.fixture
def elsewhere(project):
    return Elsewhere(project)


def test_arrays_in_the_order_of_the_tables(elsewhere):
    ended = elsewhere.bring()
    assert ended.returncode == 0, ended.stderr
    assert "never trained on (holdout)" in ended.stdout
    assert "DECLARED: theirs was never trained on these rows, because they are a hold-out of its makers (DECLARE=holdout)." in ended.stdout
    assert "MODEL=theirs VAL=... TEST=... DECLARE=oof" in ended.stdout
    train, test = elsewhere.imported(), elsewhere.imported("imported-test")
    assert train.ids == tuple(elsewhere.train_ids)
    assert test.ids == tuple(elsewhere.test_ids)
    assert (train.fold == -1).all()
    assert train.logits[0].tolist() == [-16, 16, 0]
    assert np.allclose(train.logits, logit(elsewhere.val), atol=1e-5)
    assert np.allclose(test.logits, logit(elsewhere.test), atol=1e-5)
    provenance = train.provenance
    assert (provenance.kind, provenance.declared, provenance.folds, provenance.fold) == ("imported", "holdout", None, None)


def write_table(elsewhere, path, names, ids=None, order=None, header=True):
    """The probabilities as CSV or Parquet, rows in another order where `order` is given."""
    rows = np.arange(TRAIN) if order is None else order
    table = pd.DataFrame(elsewhere.val[rows], columns=names)
    if ids:
        table.insert(len(names) if ids == "last" else 0, "id" if ids == "last" else "Id", [elsewhere.train_ids[row] for row in rows])
    if path.suffix == ".csv":
        table.to_csv(path, index=False, header=header)
    else:
        table.to_parquet(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("names", "ids"),
    [(["round", "bright", "striped"], "first"), (["0", "1", "2"], "last"), (["0", "1", "2"], None)],
)
def test_tables_with_and_without_ids_and_names(elsewhere, suffix, names, ids):
    order = np.random.default_rng(1).permutation(TRAIN) if ids else None
    write_table(elsewhere, elsewhere.root / f"val{suffix}", names, ids, order)
    ended = elsewhere.bring(val=f"val{suffix}")
    assert ended.returncode == 0, ended.stderr
    assert elsewhere.imported().ids == tuple(elsewhere.train_ids)
    assert np.allclose(elsewhere.imported().logits, logit(elsewhere.val), atol=1e-5)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_named_columns_may_come_in_any_order(elsewhere, suffix):
    path = elsewhere.root / f"val{suffix}"
    table = pd.DataFrame(elsewhere.val, columns=["round", "bright", "striped"])[["striped", "round", "bright"]]
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    assert elsewhere.bring(val=path.name).returncode == 0
    assert np.allclose(elsewhere.imported().logits, logit(elsewhere.val), atol=1e-5)


def test_csv_without_a_header(elsewhere):
    write_table(elsewhere, elsewhere.root / "val.csv", ["a", "b", "c"], header=False)
    assert elsewhere.bring(val="val.csv").returncode == 0
    assert np.allclose(elsewhere.imported().logits, logit(elsewhere.val), atol=1e-5)


@pytest.mark.parametrize("name", ["Id", "id", None])
def test_the_index_of_a_parquet_file_holds_its_ids(elsewhere, name):
    order = np.random.default_rng(1).permutation(TRAIN)
    index = pd.Index([elsewhere.train_ids[row] for row in order], name=name)
    pd.DataFrame(elsewhere.val[order], columns=["round", "bright", "striped"], index=index).to_parquet(elsewhere.root / "val.parquet")
    ended = elsewhere.bring(val="val.parquet")
    assert ended.returncode == 0, ended.stderr
    assert np.allclose(elsewhere.imported().logits, logit(elsewhere.val), atol=1e-5)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_ids_under_another_name_are_not_taken_for_rows_in_order(elsewhere, suffix):
    order = np.random.default_rng(1).permutation(TRAIN)
    table = pd.DataFrame(elsewhere.val[order], columns=["round", "bright", "striped"])
    table.insert(0, "image_id", [elsewhere.train_ids[row] for row in order])
    path = elsewhere.root / f"val{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    error = elsewhere.project.refused(elsewhere.bring(val=path.name))
    assert "has the ids in the column 'image_id': call it Id" in error
    assert not (elsewhere.root / "oof").exists()


def test_row_numbers_are_ignored_unless_they_are_out_of_order(elsewhere):
    table = pd.DataFrame(elsewhere.val, columns=["round", "bright", "striped"])
    table.to_csv(elsewhere.root / "val.csv")
    assert elsewhere.bring(val="val.csv").returncode == 0
    assert np.allclose(elsewhere.imported().logits, logit(elsewhere.val), atol=1e-5)
    table.iloc[::-1].to_csv(elsewhere.root / "val.csv")
    error = elsewhere.project.refused(elsewhere.bring(val="val.csv"))
    assert "val.csv has the column '', which is not a class, and no ids: call it Id if it holds the ids of the rows" in error


@pytest.mark.parametrize("kind", ["lines", "csv"])
def test_id_files(elsewhere, kind):
    order = np.random.default_rng(1).permutation(TRAIN)
    np.save(elsewhere.root / "mixed.npy", elsewhere.val[order])
    ids = [elsewhere.train_ids[row] for row in order]
    text = "\n".join(ids) if kind == "lines" else "Target,Id\n" + "\n".join(f"0,{name}" for name in ids)
    (elsewhere.root / "ids.txt").write_text(text + "\n")
    reverse = "\n".join(reversed(elsewhere.test_ids))
    (elsewhere.root / "test-ids.txt").write_text(reverse)
    np.save(elsewhere.root / "test.npy", elsewhere.test[::-1])
    ended = elsewhere.bring("--ids", "ids.txt", "--test-ids", "test-ids.txt", val="mixed.npy")
    assert ended.returncode == 0, ended.stderr
    assert np.allclose(elsewhere.imported().logits, logit(elsewhere.val), atol=1e-5)
    assert np.allclose(elsewhere.imported("imported-test").logits, logit(elsewhere.test), atol=1e-5)


def test_logits_stay_as_they_are(elsewhere):
    np.save(elsewhere.root / "val.npy", 40 * elsewhere.val - 20)
    np.save(elsewhere.root / "test.npy", 40 * elsewhere.test - 20)
    assert elsewhere.bring("--logits").returncode == 0
    assert (elsewhere.imported().logits == (40 * elsewhere.val - 20).astype(np.float32)).all()


def test_make_passes_ids_and_logits_on():
    given = ["MODEL=m", "VAL=v", "TEST=t", "IDS=a", "TEST_IDS=b", "DECLARE=oof"]

    def typed(*more):
        command = ["make", "import", *given, *more, f"PYTHON={sys.executable}", "RUN=printf '%s ' "]
        return subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=True).stdout

    assert "--val v --test t --ids a --test-ids b --logits --declare oof" in typed("LOGITS=1").replace("=", " ")
    assert "--logits" not in typed("LOGITS=0") + typed()


def saved(elsewhere, values):
    np.save(elsewhere.root / "val.npy", values)


def outside(elsewhere):
    saved(elsewhere, elsewhere.val * 8 - 4)


def not_a_number(elsewhere):
    elsewhere.val[3, 1] = np.nan
    saved(elsewhere, elsewhere.val)


def infinite(elsewhere):
    elsewhere.val[3, 1] = np.inf
    saved(elsewhere, elsewhere.val)


def a_row_too_few(elsewhere):
    saved(elsewhere, elsewhere.val[1:])


def a_class_too_few(elsewhere):
    saved(elsewhere, elsewhere.val[:, 1:])


def pickled(elsewhere):
    (elsewhere.root / "val.npy").write_bytes(pickle.dumps(elsewhere.val))


def objects(elsewhere):
    np.save(elsewhere.root / "val.npy", elsewhere.val.astype(object))


def words(elsewhere):
    saved(elsewhere, elsewhere.val.astype(str).astype("U8") + "x")


def missing(elsewhere):
    (elsewhere.root / "val.npy").unlink()


def empty(elsewhere):
    (elsewhere.root / "val.npy").write_bytes(b"")


def structured(elsewhere):
    saved(elsewhere, np.zeros(TRAIN, dtype=[("a", "f4"), ("b", "U3"), ("c", "f4")]))


def decisions(elsewhere):
    saved(elsewhere, (elsewhere.val > 0.5).astype(np.uint8))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (outside, r"val.npy holds -?\d.* for id 00.*--logits"),
        (not_a_number, "val.npy holds nan for id 00.*'bright'"),
        (infinite, "val.npy holds inf for id 00"),
        (a_row_too_few, "val.npy has 29 rows, train.csv 30 ids.*--ids.*IDS="),
        (a_class_too_few, "val.npy is 30 x 2, not rows x 3 classes"),
        (pickled, "val.npy cannot be read"),
        (objects, "val.npy cannot be read"),
        (words, "val.npy cannot be read"),
        (missing, "there is no val.npy"),
        (empty, "val.npy cannot be read"),
        (structured, "val.npy cannot be read"),
        (decisions, "val.npy holds decisions, only 0 and 1"),
    ],
)
def test_bad_values_are_refused_and_nothing_is_written(elsewhere, harm, message):
    harm(elsewhere)
    assert re.search(message, elsewhere.project.refused(elsewhere.bring()))
    assert not (elsewhere.root / "oof").exists()


def test_bad_test_predictions_leave_no_train_predictions(elsewhere):
    np.save(elsewhere.root / "test.npy", elsewhere.test[1:])
    message = "test.npy has 7 rows, sample_submission.csv 8 ids: give the ids of its rows with --test-ids, one a line (make: TEST_IDS=)"
    assert message in elsewhere.project.refused(elsewhere.bring())
    assert not (elsewhere.root / "oof").exists()


@pytest.mark.parametrize(("change", "message"), [("unknown", "lack id 00"), ("twice", "twice")])
def test_bad_ids_are_refused(elsewhere, change, message):
    ids = elsewhere.train_ids.copy()
    ids[4] = "stranger" if change == "unknown" else ids[5]
    (elsewhere.root / "ids.txt").write_text("\n".join(ids))
    error = elsewhere.project.refused(elsewhere.bring("--ids", "ids.txt"))
    assert message in error
    assert "val.npy" in error


def test_other_files_and_names_are_refused(elsewhere):
    (elsewhere.root / "val.txt").write_text("0.5")
    assert "neither .npy nor .csv nor .parquet" in elsewhere.project.refused(elsewhere.bring(val="val.txt"))
    assert elsewhere.bring(model="densenet121").returncode == 0  # tables alone: no model is trained here
    ours = elsewhere.project.call("importing", "--competition", "tiny", "--model", "tiny", "--val", "val.npy", "--declare", "holdout")
    assert "name of a model trained here" in elsewhere.project.refused(ours)
    for name in ("../theirs", "a/b", "x" * 300, "", "a\nb", ".hidden", "-x" * 2):
        ended = elsewhere.typed(importing.main, f"--model={name}", "--val", "val.npy", "--declare", "oof")
        assert "is not a model name: use letters, digits" in elsewhere.project.refused(ended)


@pytest.mark.parametrize(
    ("name", "stem"), [("folds.csv", "folds"), ("article.json", "article"), ("images-1a.parquet", "images-1a"), ("m.CSV", "m")]
)
def test_a_model_is_not_called_as_a_file_beside_its_folder(elsewhere, name, stem):
    line = elsewhere.project.refused(elsewhere.bring(model=name))
    assert f"MODEL={name} is the name of a file" in line
    assert line.endswith(f"leave out its ending: make import COMP=tables MODEL={stem} ...")
    assert not (elsewhere.root / "oof").exists()
    ended = elsewhere.bring(model=stem)
    assert ended.returncode == 0, ended.stderr


def test_a_declaration_is_required(elsewhere):
    ended = elsewhere.typed(importing.main, "--model", "theirs", "--val", "val.npy")
    assert ended.returncode == 2
    assert "--declare" in ended.stderr


def test_a_second_import_without_test_predictions_removes_those_of_the_first(elsewhere):
    assert elsewhere.bring().returncode == 0
    ended = elsewhere.bring(test=None)
    assert ended.returncode == 0
    assert "TEST=" in ended.stdout
    assert not (elsewhere.root / "oof/tables/theirs/imported-test.parquet").exists()


def test_imported_models_stack(elsewhere):
    for model in ("theirs", "others"):
        assert elsewhere.bring(model=model).returncode == 0
    ended = elsewhere.typed(stack.main)
    assert ended.returncode == 0, ended.stderr
    assert "stacking 2 models on 30 rows" in ended.stdout
    assert "known groups: " not in ended.stdout  # nobody knows which antibodies imported models were trained on


def test_an_import_of_another_train_table_is_refused(elsewhere):
    assert elsewhere.bring().returncode == 0
    assert elsewhere.typed(stack.main).returncode == 0
    path = elsewhere.root / "data/tables/train.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[3, "Target"] = "2" if table.loc[3, "Target"] != "2" else "1"
    table.to_csv(path, index=False)
    error = elsewhere.project.refused(elsewhere.typed(stack.main))
    assert "imported.parquet was made with another train table" in error
    assert "make import COMP=tables MODEL=theirs VAL=... TEST=..." in error


def test_a_model_both_imported_and_trained_is_refused(elsewhere):
    assert elsewhere.bring().returncode == 0
    folder = elsewhere.root / "oof/tables/theirs"
    (folder / "fold-0.parquet").write_bytes((folder / "imported.parquet").read_bytes())
    assert "holds an imported model and a model trained here: remove" in elsewhere.project.refused(elsewhere.typed(stack.main))


@pytest.mark.skipif(not REAL.exists(), reason="HPA_SHARED with real predictions is not set")
def test_real_predictions_stack_above_their_mean(project):
    classes = ", ".join(f"c{number}" for number in range(28))
    (project.root / "configs/competitions/real.yaml").write_text(f"title: Real\ndata: {REAL}\nimages:\nclasses: [{classes}]\n")
    for model in ("vgg16", "vgg16_red"):
        files = ["--val", str(REAL / "predictions" / model / "val.npy"), "--test", str(REAL / "predictions" / model / "test.npy")]
        ended = project.type("importing", "--competition", "real", "--model", model, *files, "--declare", "holdout")
        assert ended.returncode == 0, ended.stderr
    ended = project.type("stack", "--competition", "real")
    assert ended.returncode == 0, ended.stderr
    sidecar = json.loads(next((project.root / "submissions/real").glob("*.json")).read_text())
    assert 0.50 < sidecar["nested"]["value"] < 0.62
    assert sidecar["gains"]["mean"]["value"] > 0
