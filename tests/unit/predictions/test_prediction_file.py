import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from comp.base.errors import PredictionError
from comp.predictions.prediction_file import Predictions, join_folds, mean_of_folds, read_predictions
from comp.predictions.provenance import Provenance
from comp.predictions.sealed_table import DIGEST

CLASSES = ("a", "b", "c")


def make(ids, fold=0, number=None, **changes):
    logits = np.random.default_rng(fold).normal(size=(len(ids), 3)).astype(np.float32)
    given = {"competition": "tiny", "model": "net", "kind": "oof", "fold": fold, "classes": CLASSES, "data": "d" * 16, "folds": "f" * 16}
    numbers = np.full(len(ids), fold if number is None else number, np.int8)
    return Predictions(tuple(ids), numbers, logits, Provenance(**{**given, **changes}))


def test_a_file_comes_back_whole_and_equal_runs_give_equal_bytes(tmp_path):
    made = make(["x", "y", "007"])
    made.write(tmp_path / "one.parquet")
    make(["x", "y", "007"]).write(tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    found = read_predictions(tmp_path / "one.parquet")
    assert found.ids == made.ids
    assert found.provenance == made.provenance
    np.testing.assert_array_equal(found.logits, made.logits)
    table = pq.read_table(tmp_path / "one.parquet")
    assert table.column_names == ["id", "fold", "z00", "z01", "z02"]
    assert [str(field.type) for field in table.schema] == ["string", "int8", "float", "float", "float"]
    assert json.loads(table.schema.metadata[b"comp"])["model"] == "net"


def test_folds_join_by_id_whatever_their_order():
    first, second = make(["x", "y"], 0), make(["z", "w"], 1)
    joined = join_folds([second, first], ["w", "x", "y", "z"])
    assert joined.fold.tolist() == [1, 0, 0, 1]
    np.testing.assert_array_equal(joined.logits, [second.logits[1], first.logits[0], first.logits[1], second.logits[0]])


def test_test_predictions_are_the_mean_of_the_folds_logits_joined_by_id():
    first, second = make(["t", "u"], 0, -1, kind="test"), make(["u", "t"], 1, -1, kind="test")
    mean = mean_of_folds([first, second], ["t", "u"])
    np.testing.assert_allclose(mean.logits, (first.logits + second.logits[::-1]) / 2, rtol=1e-6)
    assert mean.provenance.fold is None


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (lambda: [make(["x"], 0), make(["x", "y"], 1)], "net hold id x twice"),
        (lambda: [make(["x"], 0)], r"net lack id y \(1 missing\)"),
        (lambda: [make(["x", "y", "q"], 0)], "net hold the unknown id q"),
        (lambda: [make(["x"], 0), make(["y"], 1, folds="g" * 16)], "net differ in folds"),
        (lambda: [make(["x"], 0), make(["y"], 1, initial_weights="scratch")], "net differ in initial_weights"),
    ],
)
def test_broken_sets_of_folds_are_refused(folds, message):
    with pytest.raises(PredictionError, match=message):
        join_folds(folds(), ["x", "y"])


def test_folds_from_different_hardware_join():
    assert join_folds([make(["x"], 0, precision="bf16 on cuda"), make(["y"], 1, precision="fp32 on cpu")], ["x", "y"]).ids == ("x", "y")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_id_and_class(value):
    good = make(["x", "y"])
    logits = good.logits.copy()
    logits[1, 2] = value
    with pytest.raises(PredictionError, match="for id y, class 'c'"):
        Predictions(good.ids, good.fold, logits, good.provenance)


def test_damaged_files_and_files_of_others_are_refused_by_name(tmp_path):
    path = tmp_path / "net" / "fold-0.parquet"
    make(["x", "y"]).write(path)
    whole = path.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(PredictionError, match=r"fold-0\.parquet cannot be read as Parquet"):
            read_predictions(path)
    path.write_bytes(whole)
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(PredictionError, match="does not say where it came from"):
        read_predictions(path)
    with pytest.raises(PredictionError, match=r"there is no .*fold-1\.parquet"):
        read_predictions(path.with_name("fold-1.parquet"))


def metadata(value):
    return lambda table: table.replace_schema_metadata({b"comp": value})


def without_digest(table):
    """As another program writes it: the digest would name a changed table first."""
    return table.replace_schema_metadata({key: value for key, value in table.schema.metadata.items() if key != DIGEST})


def text_logits(table):
    return table.set_column(3, "z01", pa.array(["0.5", "0.25"]))


def no_folds(table):
    return table.set_column(1, "fold", pa.array([None, 0], pa.int8()))


def a_column_more(table):
    return table.append_column("z03", table["z02"])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (metadata(b"{bad"), "the provenance in .* is not valid JSON"),
        (metadata(b"\xff"), "the provenance in .* is not valid JSON"),
        (metadata(b"[]"), r"= \[\] does not fit"),
        (metadata(b'{"kind": "oof"}'), "'competition' is missing"),
        (text_logits, "does not have the columns .* to z02"),
        (a_column_more, "does not have the columns .* to z02"),
        (no_folds, "has empty cells"),
    ],
)
def test_files_that_break_the_format_are_refused_by_name(tmp_path, harm, message):
    path = tmp_path / "net" / "fold-0.parquet"
    make(["x", "y"]).write(path)
    pq.write_table(without_digest(harm(pq.read_table(path))), path)
    with pytest.raises(PredictionError, match=message) as caught:
        read_predictions(path)
    assert "fold-0.parquet" in caught.value.what
    assert "\n" not in str(caught.value)
