"""What greedy selection climbs: a metric of the sum of the probabilities of the models added so far.

`tried()` is what the metric (M,) would be with each model added once, higher is better; `add(number)` adds one for good.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from comp.cuts import class_major
from comp.metrics import sigmoid
from comp.rows import Rows

Floats = NDArray[np.float32]
Metric = Literal["macro_f1", "log_loss", "map"]

CLIP = 16.0  # logits of probabilities stored as exact 0 or 1; keeps the log loss finite
SLACK = 1.15  # how many more rows a class looks at than its last F1 made necessary; any value gives the same answer
LOOSE = 1.3  # from how many times these rows on the floor is set anew
FEW = 3000  # scores that are sorted at once; more are narrowed down by a histogram first
BUCKETS = 11  # bits of their number


class Climb(Protocol):
    def tried(self) -> NDArray[np.float64]: ...
    def add(self, number: int) -> None: ...


def climb(metric: Metric, rows: Rows) -> Climb:
    """The metric on labelled rows, before the first model."""
    kinds: dict[Metric, Callable[[Rows], Climb]] = {"macro_f1": MacroF1, "log_loss": LogLoss, "map": MeanAveragePrecision}
    return kinds[metric](rows)


class ClassSums:
    """One class: the models' probabilities (M, N), the `positives` rows with the label first, and the sum (N,) of those added."""

    def __init__(self, probs: Floats, positives: int) -> None:
        self.probs = probs
        self.positives = positives
        self.total = np.zeros_like(probs[0])

    def add(self, number: int) -> None:
        self.total += self.probs[number]


def class_probs(rows: Rows) -> list[tuple[Floats, int]]:
    """For each class the arguments of `ClassSums`."""
    probs = [class_major(sigmoid(logits)) for logits in rows.logits]
    return [
        (np.stack([each[column] for each in probs])[:, np.argsort(~has, kind="stable")], int(has.sum()))
        for column, has in enumerate(rows.known_labels.T)
    ]


class MacroF1:
    """Macro F1 at the best cut of each class."""

    def __init__(self, rows: Rows) -> None:
        self.classes = [ClassF1(*each) for each in class_probs(rows)]

    def tried(self) -> NDArray[np.float64]:
        return np.stack([each.tried() for each in self.classes], axis=1).mean(axis=1)

    def add(self, number: int) -> None:
        for each in self.classes:
            each.add(number)


class ClassF1(ClassSums):
    """The F1 of one class at its best cut.

    With P positives, a cut that predicts K rows has an F1 of at most 2P / (K + P). So once a cut reaches f, none that
    predicts more than P (2 / f - 1) rows can beat it: only the rows are looked at that may be among so many highest, by
    what was found in the step before, and all of them where that turns out to have been too few.

    Attributes:
        floor: mean probability below which rows are not looked at.
        seen, needed: how many rows the last step looked at, and how many the next should.
    """

    def __init__(self, probs: Floats, positives: int) -> None:
        super().__init__(probs, positives)
        self.peak = probs.max(axis=0)
        self.added, self.floor = 0, 0.0
        self.seen, self.needed = 0, 0.0

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
        self.seen, self.needed = len(rows), SLACK * self.positives * (2 / min(found) - 1)
        return np.array(found)

    def add(self, number: int) -> None:
        super().add(number)
        self.added += 1
        if not self.needed <= self.seen <= LOOSE * self.needed:
            rank = len(self.total) - 1 - int(min(self.needed, len(self.total) - 1))
            self.floor = float(np.partition(self.total, rank)[rank]) / self.added


def best_f1_above(scores: Floats, hits: int, positives: int, unseen: int, floor: np.float32, peak: np.float32) -> float | None:
    """The F1 of the best cut of one class; None where it may lie below `floor`.

    Args:
        scores: (K,) between 0 and `peak`, those with the label first; every row that reaches the floor is among them.
        hits: how many of them have the label.
        positives: how many rows have it, whatever their score.
        unseen: how many rows are not among the scores.
    """
    reached, above, hits_above = len(scores), 0, 0  # rows that reach the floor; rows above those looked at
    if len(scores) > FEW:
        # The bits of numbers that are not negative stand in the order of the numbers. Bucket 0 is below the floor.
        base, top = int(floor.view(np.int32)), int(peak.view(np.int32))
        shift = max((top - base).bit_length() - BUCKETS, 0)
        bucket = scores.view(np.int32) - np.int32(base - (1 << shift))
        np.maximum(np.right_shift(bucket, np.int32(shift), out=bucket), 0, out=bucket)
        buckets = 2 + ((top - base) >> shift)
        held = np.bincount(bucket, minlength=buckets)[:0:-1]
        held_hits = np.bincount(bucket[:hits], minlength=buckets)[:0:-1]
        predicted, hit = held.cumsum(), held_hits.cumsum()
        reached = int(predicted[-1])
        # A cut in a bucket is at best one above all that it holds without the label, and at worst one below them.
        worst = 2 * hit / (predicted + positives)
        best = 2 * hit / (predicted - held + held_hits + positives)
        places = np.flatnonzero((held_hits > 0) & (best >= worst.max()))
        if not len(places):
            return None
        first, last = int(places[0]), int(places[-1])
        above, hits_above = int(predicted[first] - held[first]), int(hit[first] - held_hits[first])
        low, high = buckets - 1 - last, buckets - 1 - first
        inside = (bucket - np.int32(low)).view(np.uint32) <= high - low
    else:
        inside = scores >= floor
        reached = int(np.count_nonzero(inside))
    having = np.sort(np.compress(inside[:hits], scores[:hits]))
    lacking = np.sort(np.compress(inside[hits:], scores[hits:]))
    if not len(having):
        return None
    # Of equal positives the first counts them all as hits, so the others never win.
    said = np.arange(len(having), 0, -1)
    f1 = 2 * (hits_above + said) / (above + said + len(lacking) - np.searchsorted(lacking, having) + positives)
    sure = f1.max() >= 2 * positives / (reached + 1 + positives) or reached == len(scores) + unseen
    return float(f1.max()) if sure else None


class LogLoss:
    """Minus the mean log loss over all rows and classes, of logits clipped to +-CLIP."""

    def __init__(self, rows: Rows) -> None:
        rows = rows.in_own_order()
        signs = np.where(rows.known_labels, np.float32(1), np.float32(-1))
        self.given = [sigmoid(signs * np.clip(logits, -CLIP, CLIP)) for logits in rows.logits]  # to what was the case
        self.total = np.zeros_like(self.given[0])
        self.added = 0

    def tried(self) -> NDArray[np.float64]:
        logs = [np.log(self.total + each).mean(dtype=np.float64) for each in self.given]
        return np.array(logs) - np.log(self.added + 1)

    def add(self, number: int) -> None:
        self.total += self.given[number]
        self.added += 1


class MeanAveragePrecision:
    """The mean over classes of average precision, as scikit-learn has it: the mean precision at the scores of the positives."""

    def __init__(self, rows: Rows) -> None:
        self.classes = [ClassSums(*each) for each in class_probs(rows)]

    def tried(self) -> NDArray[np.float64]:
        models = range(len(self.classes[0].probs))
        return np.array([np.mean([average_precision(each, number) for each in self.classes]) for number in models])

    def add(self, number: int) -> None:
        for each in self.classes:
            each.add(number)


def average_precision(sums: ClassSums, number: int) -> float:
    """Of one class with one model more; 0 without positives."""
    if not sums.positives:
        return 0.0
    scores = sums.total + sums.probs[number]
    having, lacking = np.sort(scores[: sums.positives]), scores[sums.positives :]
    lacking = np.sort(np.compress(lacking >= having[0], lacking))
    hits = len(having) - np.searchsorted(having, having)
    return float((hits / (hits + len(lacking) - np.searchsorted(lacking, having))).mean())
