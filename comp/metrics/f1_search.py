"""Exact search for the threshold at which the F1 of a class is highest.

F1 = 2TP / (predicted + positives). Lowering a threshold past rows without the label only adds false positives, so F1 is highest just
below a positive. The candidates are therefore the scores of the positives. The threshold lies halfway between the best candidate and the
next lower score.
"""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

NEVER = np.inf  # the threshold of a class without positives, which is never predicted
BELOW_ALL = 1.0  # how far below the lowest score a threshold lies that predicts every row, in logits
FLOOR = 0.1  # share of the positives left out of the first look; any value gives the same answer, this one is fastest


def best_candidate(scores: Floats, positives: Floats) -> tuple[float, float]:
    """The lowest score that is predicted at the highest F1 of one class, and that F1.

    Args:
        scores: (N,) of all rows, in any order.
        positives: (P,) ascending, the scores of the rows that have the label.

    Returns:
        The score of a positive (the highest one, among equals in F1), or (NEVER, 0) without positives.
    """
    count = len(positives)
    if not count:
        return NEVER, 0.0
    floor = int(FLOOR * count)
    for first in (floor, 0) if floor else (0,):
        above = np.sort(np.compress(scores >= positives[first], scores))  # several times faster than a mask as index
        candidates = positives[first:]
        # The first of equal positives counts all of them as hits, so the others are never better.
        f1 = 2 * np.arange(len(candidates), 0, -1) / (len(above) - np.searchsorted(above, candidates) + count)
        best = len(f1) - 1 - int(f1[::-1].argmax())
        # A threshold below all of `above` predicts more rows than those and hits at most every positive.
        if f1[best] >= 2 * count / (len(above) + 1 + count):
            break
    return float(candidates[best]), float(f1[best])


def midpoints(candidates: NDArray[np.float64], ordered: Floats) -> NDArray[np.float64]:
    """Halfway from each of `candidates` (K,) to the next lower of the `ordered` (N,) ascending scores, which contain them."""
    place = np.searchsorted(ordered, candidates)
    lower = np.where(place > 0, ordered[place - 1], candidates - 2 * BELOW_ALL)
    return (candidates + lower) / 2


def best_thresholds(scores: Floats, labels: Bools) -> NDArray[np.float64]:
    """The thresholds (C,) of highest F1 for scores and labels (N, C); NEVER for a class without positives."""
    thresholds = np.full(scores.shape[1], NEVER)
    for column, (values, is_positive) in enumerate(zip(class_major(scores), labels.T, strict=True)):
        candidate, _ = best_candidate(values, np.sort(values[is_positive]))
        if candidate < NEVER:
            lower = values[values < candidate]
            thresholds[column] = (candidate + (float(lower.max()) if lower.size else candidate - 2 * BELOW_ALL)) / 2
    return thresholds


def best_common_threshold(scores: Floats, labels: Bools) -> float:
    """The one threshold of highest macro F1 for all classes of scores and labels (N, C); NEVER without any positive.

    As for one class, it can only lie just below a positive of some class. The highest among equals.
    """
    present = labels.any(axis=0)
    if not present.any():
        return NEVER
    candidates = np.unique(scores[labels])
    total = np.zeros(len(candidates))
    columns = [
        (np.sort(values), np.sort(values[is_positive]))
        for values, is_positive in zip(class_major(scores)[present], labels.T[present], strict=True)
    ]
    for ordered, positives in columns:
        hits = len(positives) - np.searchsorted(positives, candidates)
        total += 2 * hits / (len(ordered) - np.searchsorted(ordered, candidates) + len(positives))
    best = candidates[[len(candidates) - 1 - int(total[::-1].argmax())]].astype(np.float64)
    return float(max(midpoints(best, ordered)[0] for ordered, _ in columns))


def best_f1(scores: Floats, positives: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The F1 (C,) at the best thresholds, for scores (C, N) and the row numbers of the positives of each class."""
    return np.array([best_candidate(values, np.sort(values[rows]))[1] for values, rows in zip(scores, positives, strict=True)])


def positive_rows(labels: Bools) -> list[NDArray[np.int64]]:
    """For each class of labels (N, C), the row numbers of its positives."""
    return [np.flatnonzero(is_positive) for is_positive in labels.T]


def class_major(scores: Floats) -> Floats:
    """Scores (N, C) as (C, N) with each class contiguous, which makes the searches fastest."""
    return np.ascontiguousarray(scores.T)
