"""The task that every model of a stack must have solved: the rows, folds, labels and classes of a competition."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import FoldError
from comp.base.paths import Paths
from comp.competition.competition import Competition, load_competition
from comp.competition.labels import LabelSpace
from comp.competition.tables import read_test_ids, read_train
from comp.folds.competition_folds import ensure_folds
from comp.folds.fold_map import FoldMap
from comp.predictions.provenance import data_fingerprint

FEWEST_FOLDS = 3  # nested cross-validation: one to score on, one to choose on, one to fit on


@dataclass(frozen=True, eq=False)
class Task:
    """What every model must have predicted.

    Attributes:
        folds: the fold map, sorted by id so that the order of the train table does not matter.
        classes: the competition's classes, or a subset of them in the same order.
        labels: (N, C) of these classes, rows in the order of `folds.ids`.
        test_ids: in the order of the sample submission.
        data: fingerprint of the train table, with the labels of all classes.
    """

    competition: Competition
    paths: Paths
    folds: FoldMap
    classes: LabelSpace
    labels: NDArray[np.bool_]
    test_ids: tuple[str, ...]
    data: str

    def narrowed(self, names: Sequence[str]) -> "Task":
        """The same task for a subset of the classes."""
        columns = [self.classes.names.index(name) for name in names]
        return replace(self, classes=self.classes.only(columns), labels=self.labels[:, columns])


def load_task(name: str) -> Task:
    """The task of a competition; a missing fold map is made.

    Raises:
        FoldError: there are fewer folds than nested cross-validation needs.
    """
    competition, paths = load_competition(name), Paths(name)
    folds = ensure_folds(competition, paths)
    if folds.count < FEWEST_FOLDS:
        what = f"{paths.folds()} has {folds.count} folds, and nested cross-validation needs {FEWEST_FOLDS}"
        then = "set more in the competition's YAML, `folds: {count: 5}`, remove the map and the predictions made with it"
        raise FoldError(what, f"{then}, then: make folds COMP={name}")
    ids, labels = read_train(competition, paths)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    folds = folds.in_order([ids[row] for row in order])
    data = data_fingerprint(ids, labels)
    return Task(competition, paths, folds, competition.labels, labels[order], read_test_ids(competition, paths), data)
