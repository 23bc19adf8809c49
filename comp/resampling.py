"""Standard errors of macro F1 and of recall by resampling whole groups: images of one antibody look alike, so they are not independent.

Decisions are resampled as they are, with the fitted weights and thresholds held fixed. What other fits would have decided
is left out, so that intervals are somewhat narrow: with 800 rows and classes down to 5 positives, the 95 % interval of the
nested score held the score on fresh rows in 89 % of 150 drawn cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.metrics import f1_from_counts, macro_f1

Bools = NDArray[np.bool_]
WIDTH = 1.96  # standard errors to either side that a normal error stays within in 95 of 100 cases


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and the 95 % interval centred on it."""

    value: float
    error: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.value - WIDTH * self.error, self.value + WIDTH * self.error

    def __format__(self, spec: str) -> str:
        """Both by the same format, the error without a sign: `f"{gain:+.2f}"` is "+0.03 +- 0.01"."""
        return f"{self.value:{spec}} +- {self.error:{spec.lstrip('+')}}"


@dataclass(frozen=True, eq=False)
class Scored:
    """A score and what it is in every resample, (draws,); the same resamples for all scores of one `GroupBootstrap`."""

    value: float
    draws: NDArray[np.float64]

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, float(self.draws.std()))

    @classmethod
    def mean(cls, scores: Sequence["Scored"]) -> "Scored":
        """The mean of scores of the same rows, e.g. over repeats."""
        return cls(float(np.mean([one.value for one in scores])), np.mean([one.draws for one in scores], axis=0))

    def over(self, other: "Scored") -> Estimate:
        """How much higher this score is than the other, with the paired standard error."""
        return Estimate(self.value - other.value, float((self.draws - other.draws).std()))


def smallest_difference(gain: Estimate, rows: int, test_rows: int) -> float:
    """The smallest difference between two stacks on a test set that is no noise (5 % level), if they differ as those of `gain` do.

    Args:
        gain: their paired difference on `rows` rows; its error shrinks with the root of the number of rows.
    """
    return WIDTH * gain.error * float(np.sqrt(rows / test_rows))


class GroupBootstrap:
    """Macro F1 and recall of decisions about the same rows, resampled together, so that their differences are paired.

    Args:
        labels: (N, C).
        groups: (N,) equal for rows drawn together.
        draws: how many resamples, each of as many groups as there are.

    Attributes:
        weights: (draws, groups) float32, how often each resample holds each group.
        positives: (draws, C) float32, positives of each class in each resample.
    """

    def __init__(self, labels: Bools, groups: NDArray[np.int64], draws: int, seed: int) -> None:
        self.labels = labels
        self.order = np.argsort(groups, kind="stable")
        self.starts = np.flatnonzero(np.diff(groups[self.order], prepend=groups.min() - 1))
        count = len(self.starts)
        rng = np.random.default_rng(seed)
        drawn = (np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(draws))
        self.weights = np.stack([times.astype(np.float32) for times in drawn])
        self.positives = self.resampled(labels)

    def resampled(self, counted: Bools) -> NDArray[np.float32]:
        """(draws, C) sums of `counted` (N, C) in every resample, whole numbers that float32 holds exactly."""
        return self.weights @ np.add.reduceat(counted[self.order], self.starts, axis=0, dtype=np.float32)

    def score(self, decisions: Bools) -> Scored:
        """Macro F1 of the decisions (N, C)."""
        hits, predicted = self.resampled(self.labels & decisions), self.resampled(decisions)
        draws = f1_from_counts(hits, predicted - hits, self.positives - hits).mean(axis=1, dtype=np.float64)
        return Scored(macro_f1(self.labels, decisions), draws)

    def recall(self, decisions: Bools) -> Scored:
        """The mean recall of the decisions (N, C) over the classes with positives, which in a resample may be fewer; 0 where none has."""
        hits = self.labels & decisions
        draws = _mean_recall(self.resampled(hits), self.positives)
        return Scored(float(_mean_recall(hits.sum(axis=0), self.labels.sum(axis=0))), draws)


def _mean_recall(hits: NDArray, positives: NDArray) -> NDArray[np.float64]:
    return (hits / np.maximum(positives, 1)).sum(axis=-1, dtype=np.float64) / np.maximum((positives > 0).sum(axis=-1), 1)
