"""The facts the practice competition is drawn from, against the real table where it is at hand."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comp.practice.catalogue import CELL_LINES, STRUCTURES, label_sets


def test_label_sets_cover_every_class() -> None:
    sets = label_sets()
    assert all(tuple(sorted(set(labels))) == labels for labels in sets)
    assert {label for labels in sets for label in labels} == set(range(28)) == set(range(len(STRUCTURES)))
    mean = sum(len(labels) * count for labels, count in sets.items()) / sum(sets.values())
    assert mean == pytest.approx(1.6, abs=0.1)


def test_label_sets_are_those_of_the_real_table() -> None:
    if "HPA_SHARED" not in os.environ:
        pytest.skip("HPA_SHARED is not set: no real table to compare with")
    target = pd.read_csv(Path(os.environ["HPA_SHARED"]) / "hpa-tables" / "train.csv")["Target"]
    real = Counter(tuple(sorted(map(int, labels.split()))) for labels in target)
    assert all(real[labels] == count for labels, count in label_sets().items())
    assert sum(label_sets().values()) > 0.9 * len(target)


def test_cell_lines_differ() -> None:
    shapes = np.array([[line.spacing, line.nucleus, line.aspect, line.occupancy] for line in CELL_LINES.values()])
    assert len(CELL_LINES) >= 8
    assert (shapes.max(axis=0) / shapes.min(axis=0) > [1.5, 1.25, 2, 1.5]).all()
    assert all(line.reach > line.nucleus for line in CELL_LINES.values())
