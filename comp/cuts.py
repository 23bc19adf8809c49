"""The best cut of a class: the score at which F1 is highest, found exactly.

F1 = 2TP / (predicted + positives) can only be highest just below a positive: lowering a cut past rows without the label
adds nothing but false positives. So the candidates are the positives' scores, and the cut lies at the midpoint between
the winner and the next lower score.
"""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

NEVER = np.inf  # the cut of a class without positives: it is never predicted
BELOW_ALL = 1.0  # how far below the lowest score a cut lies that predicts every row, in logits
FLOOR = 0.1  # share of the positives left out of the first look; any value gives the same answer, this one soonest


def best_cut(scores: Floats, positives: Floats) -> tuple[float, float]:
    """The lowest score predicted at the highest F1 of one class, and that F1.

    Args:
        scores: (N,) of all rows, in any order.
        positives: (P,) ascending, the scores of the rows that have the label.

    Returns:
        The score of a positive (of the highest one, among equals in F1), or (NEVER, 0) without positives.
    """
    count = len(positives)
    if not count:
        return NEVER, 0.0
    floor = int(FLOOR * count)
    for first in (floor, 0) if floor else (0,):
        above = np.sort(np.compress(scores >= positives[first], scores))  # several times faster than a mask as index
        cuts = positives[first:]
        # Of equal positives the first counts them all as hits, so the others never win.
        f1 = 2 * np.arange(len(cuts), 0, -1) / (len(above) - np.searchsorted(above, cuts) + count)
        best = len(f1) - 1 - int(f1[::-1].argmax())
        # A cut below all of `above` predicts more rows than those and hits at most every positive.
        if f1[best] >= 2 * count / (len(above) + 1 + count):
            break
    return float(cuts[best]), float(f1[best])


def midpoints(cuts: NDArray[np.float64], ordered: Floats) -> NDArray[np.float64]:
    """Halfway from each of `cuts` (K,) to the next lower of the `ordered` (N,) ascending scores that contain them."""
    place = np.searchsorted(ordered, cuts)
    lower = np.where(place > 0, ordered[place - 1], cuts - 2 * BELOW_ALL)
    return (cuts + lower) / 2


def best_thresholds(scores: Floats, labels: Bools) -> NDArray[np.float64]:
    """The thresholds (C,) of highest F1 for scores and labels (N, C); NEVER for a class without positives."""
    thresholds = np.full(scores.shape[1], NEVER)
    for column, (values, has) in enumerate(zip(class_major(scores), labels.T, strict=True)):
        cut, _ = best_cut(values, np.sort(values[has]))
        if cut < NEVER:
            lower = values[values < cut]
            thresholds[column] = (cut + (float(lower.max()) if lower.size else cut - 2 * BELOW_ALL)) / 2
    return thresholds


def best_common_threshold(scores: Floats, labels: Bools) -> float:
    """The one threshold of highest macro F1 for all classes of scores and labels (N, C); NEVER without any positive.

    As for one class, it can only lie just below a positive of some class. The highest among equals.
    """
    present = labels.any(axis=0)
    if not present.any():
        return NEVER
    cuts = np.unique(scores[labels])
    total = np.zeros(len(cuts))
    columns = [(np.sort(values), np.sort(values[has])) for values, has in zip(class_major(scores)[present], labels.T[present], strict=True)]
    for ordered, positives in columns:
        hits = len(positives) - np.searchsorted(positives, cuts)
        total += 2 * hits / (len(ordered) - np.searchsorted(ordered, cuts) + len(positives))
    best = cuts[[len(cuts) - 1 - int(total[::-1].argmax())]].astype(np.float64)
    return float(max(midpoints(best, ordered)[0] for ordered, _ in columns))


def best_f1(scores: Floats, positives: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The F1 (C,) at the best thresholds, for scores (C, N) and the numbers of the rows that have each class."""
    return np.array([best_cut(values, np.sort(values[rows]))[1] for values, rows in zip(scores, positives, strict=True)])


def positive_rows(labels: Bools) -> list[NDArray[np.int64]]:
    """For each class, the numbers of the rows (N, C) that have it."""
    return [np.flatnonzero(has) for has in labels.T]


def class_major(scores: Floats) -> Floats:
    """Scores (N, C) as (C, N), each class contiguous: what the searches run through fastest."""
    return np.ascontiguousarray(scores.T)
