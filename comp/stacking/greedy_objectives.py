"""Objectives of greedy selection: a metric of the mean probability of the selected models.

`tried()` returns the metric (M,) after adding each model once; higher is better. `add(number)` adds one model for good.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from comp.metrics.average_precision import average_precision
from comp.metrics.f1_search import class_major
from comp.metrics.logits import sigmoid
from comp.stacking.prediction_set import PredictionSet

Floats = NDArray[np.float32]
Metric = Literal["macro_f1", "log_loss", "map"]

CLIP = 16.0  # logits of probabilities stored as exact 0 or 1; keeps the log loss finite
SLACK = 1.15  # a class looks at this many times the rows that its last F1 required; any value gives the same result
LOOSE = 1.3  # the floor is recomputed if more than this many times the required rows were looked at
FEW = 3000  # up to so many scores are sorted directly; more are first reduced by a histogram
BUCKETS = 11  # log2 of the number of histogram buckets


class Climb(Protocol):
    def tried(self) -> NDArray[np.float64]: ...
    def add(self, number: int) -> None: ...


def climb(metric: Metric, predictions: PredictionSet) -> Climb:
    """The metric on labelled rows, before the first model."""
    kinds: dict[Metric, Callable[[PredictionSet], Climb]] = {"macro_f1": MacroF1, "log_loss": LogLoss, "map": MeanAveragePrecision}
    return kinds[metric](predictions)


class ClassSums:
    """One class: probabilities (M, N), with the `positives` rows that have the label first; `total` (N,) sums the added models."""

    def __init__(self, probs: Floats, positives: int) -> None:
        self.probs = probs
        self.positives = positives
        self.total = np.zeros_like(probs[0])

    def add(self, number: int) -> None:
        self.total += self.probs[number]


def class_probs(predictions: PredictionSet) -> list[tuple[Floats, int]]:
    """The arguments of `ClassSums` for each class."""
    probs = [class_major(sigmoid(logits)) for logits in predictions.logits]
    return [
        (np.stack([each[column] for each in probs])[:, np.argsort(~is_positive, kind="stable")], int(is_positive.sum()))
        for column, is_positive in enumerate(predictions.known_labels.T)
    ]


class MacroF1:
    """Macro F1 at the best threshold of each class."""

    def __init__(self, predictions: PredictionSet) -> None:
        self.classes = [ClassF1(*each) for each in class_probs(predictions)]

    def tried(self) -> NDArray[np.float64]:
        return np.stack([each.tried() for each in self.classes], axis=1).mean(axis=1)

    def add(self, number: int) -> None:
        for each in self.classes:
            each.add(number)


class ClassF1(ClassSums):
    """The F1 of one class at its best threshold.

    With P positives, a threshold that predicts K rows has an F1 of at most 2P / (K + P). So once a threshold reaches f, no threshold
    that predicts more than P (2 / f - 1) rows can beat it. Each step looks only at rows that may be among that many highest,
    with f taken from the step before. If these turn out to be too few, it looks at all rows.

    Attributes:
        floor: rows with a lower mean probability are not looked at.
        searched, needed: how many rows the last step looked at, and how many the next should.
    """

    def __init__(self, probs: Floats, positives: int) -> None:
        super().__init__(probs, positives)
        self.peak = probs.max(axis=0)
        self.added, self.floor = 0, 0.0
        self.searched, self.needed = 0, 0.0

    def tried(self) -> NDArray[np.float64]:
        if not self.positives:
            return np.zeros(len(self.probs))
        floor = np.float32(self.floor * (self.added + 1))
        highest = self.total + self.peak
        rows = np.flatnonzero(highest >= floor)
        hits = int(np.searchsorted(rows, self.positives))
        total, peak = self.total[rows], highest.max()
        found = []
        for probs in self.probs:
            f1 = best_f1_above(total + probs[rows], hits, self.positives, len(highest) - len(rows), floor, peak)
            if f1 is None:
                f1 = best_f1_above(self.total + probs, self.positives, self.positives, 0, np.float32(0), peak)
            found.append(f1 or 0.0)
        self.searched, self.needed = len(rows), SLACK * self.positives * (2 / min(found) - 1)
        return np.array(found)

    def add(self, number: int) -> None:
        super().add(number)
        self.added += 1
        if not self.needed <= self.searched <= LOOSE * self.needed:
            rank = len(self.total) - 1 - int(min(self.needed, len(self.total) - 1))
            self.floor = float(np.partition(self.total, rank)[rank]) / self.added


def best_f1_above(scores: Floats, hits: int, positives: int, skipped: int, floor: np.float32, peak: np.float32) -> float | None:
    """The F1 at the best threshold of one class; None if that threshold may lie below `floor`.

    Args:
        scores: (K,) between 0 and `peak`, positives first; they include every row that reaches the floor.
        hits: number of positives among the scores.
        positives: number of positives among all rows.
        skipped: number of rows that are not among the scores.
    """
    reached, above, hits_above = len(scores), 0, 0  # rows that reach the floor; rows above those that are sorted
    if len(scores) > FEW:
        # Non-negative floats have the same order as their bits read as integers. Bucket 0 is below the floor.
        base, top = int(floor.view(np.int32)), int(peak.view(np.int32))
        shift = max((top - base).bit_length() - BUCKETS, 0)
        bucket = scores.view(np.int32) - np.int32(base - (1 << shift))
        np.maximum(np.right_shift(bucket, np.int32(shift), out=bucket), 0, out=bucket)
        buckets = 2 + ((top - base) >> shift)
        bucket_rows = np.bincount(bucket, minlength=buckets)[:0:-1]
        bucket_hits = np.bincount(bucket[:hits], minlength=buckets)[:0:-1]
        predicted, hit = bucket_rows.cumsum(), bucket_hits.cumsum()
        reached = int(predicted[-1])
        # The best threshold in a bucket excludes all its negatives; the worst includes them.
        worst = 2 * hit / (predicted + positives)
        best = 2 * hit / (predicted - bucket_rows + bucket_hits + positives)
        places = np.flatnonzero((bucket_hits > 0) & (best >= worst.max()))
        if not len(places):
            return None
        first, last = int(places[0]), int(places[-1])
        above, hits_above = int(predicted[first] - bucket_rows[first]), int(hit[first] - bucket_hits[first])
        low, high = buckets - 1 - last, buckets - 1 - first
        inside = (bucket - np.int32(low)).view(np.uint32) <= high - low
    else:
        inside = scores >= floor
        reached = int(np.count_nonzero(inside))
    positive = np.sort(np.compress(inside[:hits], scores[:hits]))
    negative = np.sort(np.compress(inside[hits:], scores[hits:]))
    if not len(positive):
        return None
    # Among equal positives the first counts all of them as hits, so the others never have a higher F1.
    true_positives = np.arange(len(positive), 0, -1)
    f1 = 2 * (hits_above + true_positives) / (above + true_positives + len(negative) - np.searchsorted(negative, positive) + positives)
    certain = f1.max() >= 2 * positives / (reached + 1 + positives) or reached == len(scores) + skipped
    return float(f1.max()) if certain else None


class LogLoss:
    """Minus the mean log loss over all rows and classes, of logits clipped to +-CLIP."""

    def __init__(self, predictions: PredictionSet) -> None:
        predictions = predictions.in_own_order()
        signs = np.where(predictions.known_labels, np.float32(1), np.float32(-1))
        self.given = [sigmoid(signs * np.clip(logits, -CLIP, CLIP)) for logits in predictions.logits]  # of the true outcome
        self.total = np.zeros_like(self.given[0])
        self.added = 0

    def tried(self) -> NDArray[np.float64]:
        logs = [np.log(self.total + each).mean(dtype=np.float64) for each in self.given]
        return np.array(logs) - np.log(self.added + 1)

    def add(self, number: int) -> None:
        self.total += self.given[number]
        self.added += 1


class MeanAveragePrecision:
    """The mean average precision over all classes. A class without positives counts 0."""

    def __init__(self, predictions: PredictionSet) -> None:
        self.classes = [ClassSums(*each) for each in class_probs(predictions)]

    def tried(self) -> NDArray[np.float64]:
        models = range(len(self.classes[0].probs))
        return np.array([np.mean([_average_precision(each, number) for each in self.classes]) for number in models])

    def add(self, number: int) -> None:
        for each in self.classes:
            each.add(number)


def _average_precision(sums: ClassSums, number: int) -> float:
    """The average precision of one class with one more model."""
    if not sums.positives:
        return 0.0
    is_positive = np.arange(len(sums.total)) < sums.positives
    return float(average_precision(sums.total + sums.probs[number], is_positive)[0])
