"""Fold assignment against iterative-stratification, at the size of the HPA competition."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import CompError
from comp.competition.competition import FoldPlan
from comp.folds.assignment import assign_folds
from tests.benchmarks.inputs import ROWS, label_table
from tests.benchmarks.paired import Ratio, alternate, timed
from tests.benchmarks.results import Result, at_most

COUNT = 5


def measure(folder: Path, rows: int = ROWS, rounds: int = 7) -> list[Result]:
    labels = label_table(rows)
    ids = [f"{row:08d}" for row in range(rows)]
    seconds = alternate(
        {
            "ours": timed(lambda: ours(ids, labels)),
            "theirs": timed(lambda: theirs(labels)),
            "theirs again": timed(lambda: theirs(labels)),
        },
        rounds,
        "folds",
    )
    deviations = [worst_deviation(labels, folds) for folds in (ours(ids, labels), theirs(labels))]
    note = (
        f"{1000 * np.median(seconds['ours']):.0f} and {1000 * np.median(seconds['theirs']):.0f} ms; "
        f"the worst class deviates from its share by {deviations[0]:.1f} and {deviations[1]:.1f} images"
    )
    ratio, control = Ratio.of(seconds["ours"], seconds["theirs"]), Ratio.of(seconds["theirs"], seconds["theirs again"])
    return [at_most(1.0, f"folds of {rows:,} x {labels.shape[1]}, time: ours / iterative-stratification", ratio, control, note)]


def ours(ids: list[str], labels: NDArray[np.bool_]) -> NDArray[np.int8]:
    return assign_folds(ids, labels, FoldPlan(count=COUNT)).fold


def theirs(labels: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The fold of each row.

    Raises:
        CompError: the peer is not installed.
    """
    try:
        from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
    except ImportError:
        raise CompError(
            "iterative-stratification is not installed", "pip install -e '.[dev]', or choose other measurements with --only"
        ) from None
    folds = np.empty(len(labels), np.int8)
    for fold, (_, held_out) in enumerate(MultilabelStratifiedKFold(COUNT, shuffle=True, random_state=0).split(labels, labels)):
        folds[held_out] = fold
    return folds


def worst_deviation(labels: NDArray[np.bool_], folds: NDArray[np.int8]) -> float:
    """The largest difference, in images, between the count of a class in a fold and an even share."""
    counts = np.array([labels[folds == fold].sum(axis=0) for fold in range(COUNT)])
    return float(np.abs(counts - counts.mean(axis=0)).max())
