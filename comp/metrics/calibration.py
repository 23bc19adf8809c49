"""Calibration: a rising curve that turns the scores of one class into probabilities.

A calibrator has three methods. `fit(scores, is_positive)` makes one from scores and labels (N,). `predict(scores)` gives probabilities.
`score_at(prob)` is the lowest score with a probability of at least `prob`: -inf if all have it, inf if none has.
"""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from comp.metrics.logits import sigmoid

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

MOST_STEPS = 100
SMALLEST_STEP = 1e-10  # in log-odds; Newton's next step is about its square
RIDGE = 1e-12  # Lin, Lin and Weng 2007: keeps the Hessian regular where all probabilities are 0 or 1


class Calibrator(Protocol):
    @classmethod
    def fit(cls, scores: Floats, is_positive: Bools) -> Self: ...
    def predict(self, scores: Floats) -> NDArray[np.float64]: ...
    def score_at(self, prob: float) -> float: ...


@dataclass(frozen=True)
class Platt:
    """The log-odds are `slope` * score + `intercept`, with a slope of at least 0.

    Fitted by maximum likelihood with smoothed targets, (P+1)/(P+2) and 1/(Q+2) for P positives and Q negatives (Platt 1999). So the fit
    exists even if the scores separate a class perfectly, or if it has no positives or no negatives.
    """

    slope: float
    intercept: float

    @classmethod
    def fit(cls, scores: Floats, is_positive: Bools) -> Self:
        positives, count = int(is_positive.sum()), len(is_positive)
        targets = np.where(is_positive, (positives + 1) / (positives + 2), 1 / (count - positives + 2))
        scores = scores.astype(np.float64)
        centre, spread = scores.mean(), scores.std() or 1.0
        slope, intercept = _newton((scores - centre) / spread, targets)
        if slope <= 0:  # higher scores are not more likely positive: the scores carry no information
            mean = targets.mean()
            return cls(0.0, float(np.log(mean) - np.log1p(-mean)))
        return cls(slope / spread, intercept - slope / spread * centre)

    def predict(self, scores: Floats) -> NDArray[np.float64]:
        return sigmoid(self.slope * scores.astype(np.float64) + self.intercept).astype(np.float64)

    def score_at(self, prob: float) -> float:
        with np.errstate(divide="ignore"):
            missing = np.log(prob) - np.log1p(-prob) - self.intercept
        if self.slope > 0:
            return float(missing / self.slope)
        return -np.inf if missing <= 0 else np.inf


def _newton(scores: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept of logistic regression on targets (N,) in (0, 1), by Newton's method with halved steps."""
    mean = targets.mean()
    found = np.array([0.0, np.log(mean) - np.log1p(-mean)])
    least, gradient, hessian = _loss(found, scores, targets)
    for _ in range(MOST_STEPS):
        step = np.linalg.solve(hessian, gradient)
        while np.abs(step).max() > SMALLEST_STEP:
            loss, *derivatives = _loss(found + step, scores, targets)
            if loss <= least:
                break
            step = step / 2
        else:
            break
        found, least, (gradient, hessian) = found + step, loss, derivatives
    return float(found[0]), float(found[1])


def _loss(at: NDArray[np.float64], scores: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, NDArray, NDArray]:
    """Cross-entropy at (slope, intercept), its negative gradient (2,) and its Hessian (2, 2)."""
    log_odds = at[0] * scores + at[1]
    odds = np.exp(-np.abs(log_odds))  # of the less likely outcome
    likely = 1 / (1 + odds)
    missing = targets - np.where(log_odds > 0, likely, likely * odds)
    curvature = likely * likely * odds
    weighted = curvature * scores
    hessian = np.array([[weighted @ scores + RIDGE, weighted.sum()], [weighted.sum(), curvature.sum() + RIDGE]])
    loss = (np.maximum(log_odds, 0) + np.log1p(odds) - targets * log_odds).sum()
    return float(loss), np.array([missing @ scores, missing.sum()]), hessian


@dataclass(frozen=True, eq=False)
class Isotonic:
    """The most likely non-decreasing curve (pool adjacent violators, by SciPy), linear between its knots.

    Attributes:
        scores, probs: (K,) the knots, ascending.
    """

    scores: NDArray[np.float64]
    probs: NDArray[np.float64]

    @classmethod
    def fit(cls, scores: Floats, is_positive: Bools) -> Self:
        from scipy.optimize import isotonic_regression  # imported here: only fitting needs SciPy, predicting works without

        order = np.argsort(scores, kind="stable")  # takes linear time for scores that are ascending already
        ordered = scores[order].astype(np.float64)
        starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf))  # of equal scores
        counts = np.diff(starts, append=len(ordered))
        probs = isotonic_regression(np.add.reduceat(is_positive[order], starts, dtype=np.float64) / counts, weights=counts).x
        inside = np.zeros(len(probs), bool)  # inner knots of a run of equal probabilities are not needed
        inside[1:-1] = (probs[1:-1] == probs[:-2]) & (probs[1:-1] == probs[2:])
        return cls(ordered[starts][~inside], probs[~inside])

    def predict(self, scores: Floats) -> NDArray[np.float64]:
        return np.interp(scores, self.scores, self.probs)

    def score_at(self, prob: float) -> float:
        place = int(np.searchsorted(self.probs, prob))
        if place == 0:
            return -np.inf
        if place == len(self.probs):
            return np.inf
        return float(np.interp(prob, self.probs[place - 1 : place + 1], self.scores[place - 1 : place + 1]))


CALIBRATORS: dict[str, type[Calibrator]] = {"platt": Platt, "isotonic": Isotonic}


def cross_fitted(kind: type[Calibrator], scores: Floats, is_positive: Bools, folds: NDArray[np.integer]) -> NDArray[np.float64]:
    """Probabilities (N,): those of each fold come from the calibrator fitted on the other folds.

    If the other folds hold only positives or only negatives, there is nothing to fit. Such a fold gets the curve of all rows.
    """
    probs = np.empty(len(scores))
    for fold in np.unique(folds):
        own = folds == fold
        others = ~own if len(np.unique(is_positive[~own])) == 2 else np.ones(len(own), bool)
        probs[own] = kind.fit(scores[others], is_positive[others]).predict(scores[own])
    return probs
