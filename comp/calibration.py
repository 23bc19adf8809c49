"""Calibration: scores of one class become probabilities that mean what they say, by a curve that never falls.

Each calibrator has `fit(scores, has)`, which makes one from scores (N,) and labels (N,); `predict(scores)`, its probabilities;
and `score_at(prob)`, the lowest score whose probability is at least `prob`, -inf or inf where all or none are.
"""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from comp.metrics import sigmoid

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

MOST_STEPS = 100
SMALLEST_STEP = 1e-10  # in log-odds; Newton's next step is about its square
RIDGE = 1e-12  # Lin, Lin and Weng 2007: keeps the Hessian regular where all probabilities are 0 or 1


class Calibrator(Protocol):
    @classmethod
    def fit(cls, scores: Floats, has: Bools) -> Self: ...
    def predict(self, scores: Floats) -> NDArray[np.float64]: ...
    def score_at(self, prob: float) -> float: ...


@dataclass(frozen=True)
class Platt:
    """The log-odds are `slope` * score + `intercept`, with a slope of at least 0.

    Maximum likelihood with smoothed targets, (P+1)/(P+2) and 1/(Q+2) for P positives and Q negatives (Platt 1999), so that
    it exists for classes that scores part completely, and for classes without positives or negatives.
    """

    slope: float
    intercept: float

    @classmethod
    def fit(cls, scores: Floats, has: Bools) -> Self:
        positives, count = int(has.sum()), len(has)
        targets = np.where(has, (positives + 1) / (positives + 2), 1 / (count - positives + 2))
        scores = scores.astype(np.float64)
        centre, spread = scores.mean(), scores.std() or 1.0
        slope, intercept = _newton((scores - centre) / spread, targets)
        if slope <= 0:  # higher scores are not likelier: they say nothing
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
    odds = np.exp(-np.abs(log_odds))  # of the less likely side
    likely = 1 / (1 + odds)
    missing = targets - np.where(log_odds > 0, likely, likely * odds)
    weights = likely * likely * odds
    weighted = weights * scores
    hessian = np.array([[weighted @ scores + RIDGE, weighted.sum()], [weighted.sum(), weights.sum() + RIDGE]])
    loss = (np.maximum(log_odds, 0) + np.log1p(odds) - targets * log_odds).sum()
    return float(loss), np.array([missing @ scores, missing.sum()]), hessian


@dataclass(frozen=True, eq=False)
class Isotonic:
    """The likeliest curve that never falls (pool adjacent violators, by SciPy), straight between its knots.

    Attributes:
        scores, probs: (K,) the knots, ascending.
    """

    scores: NDArray[np.float64]
    probs: NDArray[np.float64]

    @classmethod
    def fit(cls, scores: Floats, has: Bools) -> Self:
        order = np.argsort(scores, kind="stable")  # linear for scores that are ascending already
        ordered = scores[order].astype(np.float64)
        starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf))  # of equal scores
        counts = np.diff(starts, append=len(ordered))
        probs = isotonic_regression(np.add.reduceat(has[order], starts, dtype=np.float64) / counts, weights=counts).x
        inside = np.zeros(len(probs), bool)  # of a run of equal probabilities: a straight line passes through it
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


def cross_fitted(kind: type[Calibrator], scores: Floats, has: Bools, folds: NDArray[np.integer]) -> NDArray[np.float64]:
    """Probabilities (N,) of rows by the calibrator fitted on the other folds.

    Where the others hold only one of the two outcomes (one fold, one positive), there is nothing to fit a curve to: such a
    fold gets the curve of all rows.
    """
    probs = np.empty(len(scores))
    for fold in np.unique(folds):
        own = folds == fold
        others = ~own if len(np.unique(has[~own])) == 2 else np.ones(len(own), bool)
        probs[own] = kind.fit(scores[others], has[others]).predict(scores[own])
    return probs
