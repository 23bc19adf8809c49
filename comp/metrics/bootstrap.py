"""Standard errors of macro F1 and of recall by resampling whole groups: images of one antibody look alike, so they are not independent.

The decisions stay as they are: neither weights nor thresholds are fitted again for a resample. This leaves out the uncertainty of the
fit, so intervals are somewhat narrow. With 800 rows and classes down to 5 positives, the 95 % interval of the nested score held the
score on new rows in 89 % of 150 simulated cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comp.metrics.macro_f1 import f1_from_counts, macro_f1

Bools = NDArray[np.bool_]
WIDTH = 1.96  # half the width of a 95 % interval, in standard errors of a normal distribution


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error.

    Attributes:
        is_score: it lies in [0, 1], as a score does and a difference of scores does not.
        width: half the width of the 95 % interval, in standard errors.
    """

    value: float
    error: float
    is_score: bool = field(default=False, compare=False)
    width: float = field(default=WIDTH, compare=False)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval centred on the number; that of a score ends at 0 and 1."""
        low, high = self.value - self.width * self.error, self.value + self.width * self.error
        return (max(low, 0.0), min(high, 1.0)) if self.is_score else (low, high)

    def __format__(self, spec: str) -> str:
        """Both by the same format, the error without a sign: `f"{gain:+.2f}"` is "+0.03 +- 0.01"."""
        return f"{self.value:{spec}} +- {self.error:{spec.lstrip('+')}}"


@dataclass(frozen=True, eq=False)
class Scored:
    """A score and its value in every resample, (R,). All scores of one `GroupBootstrap` have the same resamples."""

    value: float
    resampled: NDArray[np.float64]

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, float(self.resampled.std()), is_score=True)

    @classmethod
    def mean(cls, scores: Sequence["Scored"]) -> "Scored":
        """The mean of scores of the same rows, e.g. over repeats."""
        return cls(float(np.mean([one.value for one in scores])), np.mean([one.resampled for one in scores], axis=0))

    def gain_over(self, other: "Scored") -> Estimate:
        """How much higher this score is than the other, with the paired standard error."""
        return Estimate(self.value - other.value, float((self.resampled - other.resampled).std()))


def smallest_difference(gain: Estimate, rows: int, test_rows: int) -> float:
    """The smallest significant difference (5 % level) between two stacks on a test set.

    Args:
        gain: their paired difference on `rows` rows. Its error shrinks with the square root of the number of rows.
    """
    return WIDTH * gain.error * float(np.sqrt(rows / test_rows))


def effective_groups(groups: NDArray[np.int64]) -> float:
    """How many groups of equal size are as sure as these: (sum n)^2 / sum n^2 for groups of n rows (Kish 1965, of weights).

    Args:
        groups: (N,) the group of each row.
    """
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


class GroupBootstrap:
    """Macro F1 and recall of decisions about the same rows, resampled together, so that differences are paired.

    Args:
        labels: (N, C).
        groups: (N,) equal for rows that are resampled together.
        resamples: how many, each of as many groups as there are.
        rows: each resample has groups for about so many rows instead, like a test set of this size.

    Attributes:
        counts: (R, groups) float32, how often each resample holds each group.
        positives: (R, C) float32, positives of each class in each resample.
    """

    def __init__(self, labels: Bools, groups: NDArray[np.int64], resamples: int, seed: int, rows: int | None = None) -> None:
        self.labels = labels
        self.order = np.argsort(groups, kind="stable")
        self.starts = np.flatnonzero(np.diff(groups[self.order], prepend=groups.min() - 1))
        sizes = np.diff(self.starts, append=len(groups))
        rng = np.random.default_rng(seed)
        chosen = (np.bincount(_drawn(sizes, rows, rng), minlength=len(sizes)) for _ in range(resamples))
        self.counts = np.stack([times.astype(np.float32) for times in chosen])
        self.positives = self.resampled_sums(labels)

    def resampled_sums(self, counted: Bools) -> NDArray[np.float32]:
        """(R, C) sums of `counted` (N, C) in every resample, whole numbers that float32 holds exactly."""
        return self.counts @ np.add.reduceat(counted[self.order], self.starts, axis=0, dtype=np.float32)

    def score(self, decisions: Bools) -> Scored:
        """Macro F1 of the decisions (N, C)."""
        hits, predicted = self.resampled_sums(self.labels & decisions), self.resampled_sums(decisions)
        resampled = f1_from_counts(hits, predicted - hits, self.positives - hits).mean(axis=1, dtype=np.float64)
        return Scored(macro_f1(self.labels, decisions), resampled)

    def recall(self, decisions: Bools) -> Scored:
        """The mean recall of the decisions (N, C) over the classes with positives (a resample may have fewer); 0 if there are none."""
        hits = self.labels & decisions
        resampled = _mean_recall(self.resampled_sums(hits), self.positives)
        return Scored(float(_mean_recall(hits.sum(axis=0), self.labels.sum(axis=0))), resampled)


def _drawn(sizes: NDArray[np.int64], rows: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Random groups, with replacement: as many as there are, or until their rows come nearest to `rows`, at least one group."""
    drawn = [rng.integers(len(sizes), size=len(sizes))]
    if rows is None:
        return drawn[0]
    total = sizes[drawn[0]].sum()
    while total < rows:
        drawn.append(rng.integers(len(sizes), size=len(sizes)))
        total += sizes[drawn[-1]].sum()
    joined = np.concatenate(drawn)
    return joined[: int(np.abs(sizes[joined].cumsum() - rows).argmin()) + 1]


def _mean_recall(hits: NDArray, positives: NDArray) -> NDArray[np.float64]:
    return (hits / np.maximum(positives, 1)).sum(axis=-1, dtype=np.float64) / np.maximum((positives > 0).sum(axis=-1), 1)
