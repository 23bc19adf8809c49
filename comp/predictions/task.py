"""The task that every model of a stack must have solved: the rows, folds, labels and classes of a competition."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from comp.base.paths import Paths
from comp.competition.competition import Competition, load_competition
from comp.competition.labels import LabelSpace
from comp.competition.tables import needs_labels, read_test_ids, read_train
from comp.folds.competition_folds import ensure_folds
from comp.folds.fold_map import FoldMap
from comp.predictions.image_checks import PresentImages
from comp.predictions.provenance import data_fingerprint


@dataclass(frozen=True, eq=False)
class Task:
    """What every model must have predicted.

    Attributes:
        folds: the fold map, sorted by id so that the order of the train table does not matter.
        classes: the competition's classes, or a subset of them in the same order.
        labels: (N, C) of these classes, rows in the order of `folds.ids`.
        test_ids: in the order of the sample submission.
        data: fingerprint of the train table, with the labels of all classes.
        needs_labels: whether every image of a submission needs a label.
    """

    competition: Competition
    paths: Paths
    folds: FoldMap
    classes: LabelSpace
    labels: NDArray[np.bool_]
    test_ids: tuple[str, ...]
    data: str
    needs_labels: bool

    @cached_property
    def images(self) -> PresentImages:
        """The competition's images as they are now."""
        return PresentImages(self.competition, self.paths)

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
    ids, labels = read_train(competition, paths)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    folds = folds.in_order([ids[row] for row in order])
    data, needed = data_fingerprint(ids, labels), needs_labels(competition, labels)
    return Task(competition, paths, folds, competition.labels, labels[order], read_test_ids(competition, paths), data, needed)
