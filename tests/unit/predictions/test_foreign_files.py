"""Whole files of another form than ours, as a newer version or another program might write them."""

import json

import numpy as np
import pyarrow as pa
import pytest

from comp.base.errors import PredictionError
from comp.predictions.embeddings import read_embeddings
from comp.predictions.prediction_file import read_predictions
from comp.predictions.sealed_table import write_sealed

MADE = {"competition": "tiny", "model": "net", "kind": "oof", "fold": 0, "classes": ["a"], "data": "d" * 16}


def write(path, metadata, columns=1):
    values = [np.zeros(2, np.float32)] * columns
    names = ["id", "fold", *(f"z{number:02d}" for number in range(columns))]
    table = pa.table([["x", "y"], np.zeros(2, np.int8), *values], names=names)
    write_sealed(path, table.replace_schema_metadata({b"comp": metadata}))


@pytest.mark.parametrize(
    ("metadata", "columns"),
    [
        (json.dumps({**MADE, "classes": []}), 0),
        (json.dumps({**MADE, "version": 2}), 1),
        (json.dumps({**MADE, "later": 1}), 1),
        (json.dumps([MADE]), 1),
        ("null", 1),
        ("", 1),
        ("[" * 100_000, 1),
        (b"\xff\xfe", 1),
        (json.dumps(MADE), 0),
    ],
)
@pytest.mark.parametrize("read", [read_predictions, read_embeddings])
def test_they_are_refused_on_one_line_that_names_the_file(tmp_path, read, metadata, columns):
    path = tmp_path / "fold-0.parquet"
    write(path, metadata, columns)
    with pytest.raises(PredictionError, match=r"fold-0\.parquet") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_embeddings_without_vectors_are_refused(tmp_path):
    write(tmp_path / "embeddings-0.parquet", json.dumps({**MADE, "kind": "embeddings"}), columns=0)
    with pytest.raises(PredictionError, match=r"embeddings-0\.parquet is not an embedding file"):
        read_embeddings(tmp_path / "embeddings-0.parquet")
