"""The table of classes per fold."""

import numpy as np

from comp.competition.competition import FoldPlan
from comp.folds.assignment import assign_folds
from comp.folds.balance import balance_table
from comp.folds.fold_map import FoldMap
from tests.unit.folds.tables import random_table


def test_the_balance_table_counts() -> None:
    labels = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [1, 1], [0, 0]], bool)
    folds = FoldMap(tuple("abcdef"), np.array([0, 0, 0, 1, 1, -1], np.int8), ("p", "p", "q", "q", "r", "s"))
    lines = balance_table(folds, labels, ["Nucleoplasm", "Rods & rings"]).splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["class", "images", "groups", "fold", "0", "fold", "1", "hold-out", "off", "by"],
        ["Nucleoplasm", "4", "3", "3", "1", "0", "1.0"],
        ["Rods", "&", "rings", "2", "2", "0", "2", "0", "1.0"],
        ["all", "images", "6", "4", "3", "2", "1", "0.5"],
        ["all", "groups", "4", "2", "2", "1"],
    ]
    assert lines[5] == "1 groups are split over folds; 40.0% of the images in folds are of a group known from another fold."
    assert lines[6] == "Some fold has no image of: Rods & rings."
    assert len(lines) == 7
    assert len({len(line) for line in lines[1:4]}) == 1


def test_the_balance_table_names_no_class_without_images() -> None:
    ids, labels = random_table(3000)
    table = balance_table(assign_folds(ids, labels, FoldPlan()), labels, [f"c{number}" for number in range(12)])
    assert table.splitlines()[-1] == "Some fold has no image of: c10."  # it has one image; c11 has none at all
