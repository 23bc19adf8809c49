"""Every way of writing labels gives the same matrix back, whatever it holds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.tables import read_test_ids, read_train

TOKENS = ("red", "light blue", "0", "under_score")


def written(form: str, ids: list[str], labels: np.ndarray) -> pd.DataFrame:
    """The table that a person would write."""
    if form == "labels":
        return pd.DataFrame({"Id": ids, "Target": ["|".join(np.array(TOKENS)[row]) for row in labels]})
    if form == "one_hot":
        return pd.DataFrame({"Id": ids, "width": range(len(ids))} | dict(zip(TOKENS, labels.T.astype(int), strict=True)))
    if form == "long":
        rows = [
            (name, token) for name, row in zip(ids, labels, strict=True) for token in (*np.array(TOKENS)[row], *([] if row.any() else [""]))
        ]
        return pd.DataFrame(rows, columns=["Id", "Target"])
    tokens = [token.replace("_", "-") for token in TOKENS]
    rows = [(f"{name}_{token}", int(one)) for name, row in zip(ids, labels, strict=True) for token, one in zip(tokens, row, strict=True)]
    return pd.DataFrame(rows, columns=["Id", "Target"])


@pytest.mark.parametrize("form", ["labels", "one_hot", "long", "long_one_hot"])
def test_labels_come_back(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((50, len(TOKENS))) < 0.4
    ids = [f"plate_{row}" for row in range(50)]
    tokens = tuple(token.replace("_", "-") for token in TOKENS) if form == "long_one_hot" else TOKENS
    columns = {"form": form, "separator": "|"}
    competition = Competition(name="x", title="x", data=str(tmp_path), classes=tokens, tokens=tokens, columns=columns)
    written(form, ids, labels).to_csv(tmp_path / "train.csv", index=False)
    written(form, ids[::-1], labels).to_csv(tmp_path / "sample_submission.csv", index=False)
    found, matrix = read_train(competition, Paths("x"))
    assert found == tuple(ids)
    np.testing.assert_array_equal(matrix, labels)
    assert read_test_ids(competition, Paths("x")) == tuple(ids[::-1])


@pytest.mark.parametrize(
    ("form", "table", "problem"),
    [
        ("one_hot", "Id,a,b\nx,1,0\ny,2,0\n", "column a: id y has '2', neither 0 nor 1"),
        ("one_hot", "Id,a,b\nx,1,\n", "id x has '', neither 0 nor 1"),
        ("one_hot", "Id,a\nx,1\n", "has no column 'b'"),
        ("one_hot", "Id,a,b\nx,1,0\nx,1,0\n", "id x appears twice"),
        ("long", "Id,Target\nx,a\nx,a\n", "id x appears twice with the label 'a'"),
        ("long", "Id,Target\nx,a\nx,z\n", "unknown label 'z' of id x"),
        ("long_one_hot", "Id,Target\nx_a,1\nx_b,0\nx_a,1\n", "x_a appears twice"),
        ("long_one_hot", "Id,Target\nx_a,1\nx_b,0\ny_a,1\n", "id y has no row for class b"),
        ("long_one_hot", "Id,Target\nx_a,1\nx_b,0.5\n", "id x_b has '0.5', neither 0 nor 1"),
        ("long_one_hot", "Id,Target\nxa,1\n", "xa is not an id and a class joined by _"),
        ("labels", "Id,Target\nx,\ny,\n", "no train image of x has a label in"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, form: str, table: str, problem: str) -> None:
    (tmp_path / "train.csv").write_text(table)
    columns = {"form": form}
    competition = Competition(name="x", title="x", data=str(tmp_path), classes=("a", "b"), tokens=("a", "b"), columns=columns)
    with pytest.raises(DataError, match=problem):
        read_train(competition, Paths("x"))
