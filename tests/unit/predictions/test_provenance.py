"""Provenance: files of other folds or train tables are refused, and the train table has one fingerprint."""

import numpy as np
import pytest

from comp.base.errors import PredictionError
from comp.predictions.provenance import Provenance, check_same_folds, data_fingerprint


def made(**changes):
    given = {"competition": "tiny", "model": "net", "kind": "oof", "fold": 0, "classes": ("a", "b"), "data": "d" * 16, "folds": "f" * 16}
    return Provenance(**{**given, **changes})


def test_another_fold_map_or_train_table_is_refused(tmp_path):
    found = made()
    check_same_folds(tmp_path, found, "f" * 16, "d" * 16)
    with pytest.raises(PredictionError, match=r"another fold map .*make model COMP=tiny MODEL=net RETRAIN=1"):
        check_same_folds(tmp_path, found, "g" * 16, "d" * 16)
    with pytest.raises(PredictionError, match="another train table"):
        check_same_folds(tmp_path, found, "f" * 16, "e" * 16)
    with pytest.raises(PredictionError, match=r"another fold map \(None\)"):
        check_same_folds(tmp_path, made(folds=None), "f" * 16, "d" * 16)
    check_same_folds(tmp_path, made(fold=None, kind="imported", folds=None), "f" * 16, "d" * 16)


def test_the_data_fingerprint_depends_on_labels_and_not_on_the_order_of_rows():
    labels = np.array([[1, 0], [0, 1]], bool)
    assert data_fingerprint(["x", "y"], labels) == data_fingerprint(["y", "x"], labels[::-1]) != data_fingerprint(["y", "x"], labels)
