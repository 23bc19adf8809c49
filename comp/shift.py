"""Label shift: test rows in which a class is rarer or more frequent, while its images look as they did.

How frequent is estimated from the test rows' calibrated probabilities alone. Thresholds follow where the change is certain, and
where it explains how the scores differ: means over several folds, say, are more certain than one fold, which is no label shift.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from comp.calibration import Isotonic, Platt
from comp.rows import Rows

Floats = NDArray[np.float64]

LEAST = 60  # rows with a class, and without it: with fewer, estimated priors were off by factors of 5 to 10
LARGEST = np.log(10)  # of a change in log-odds; estimates at the edge, as of a class that seems to be gone, are no better known
FOLLOWED = 0.5  # share of the change in log-odds by which thresholds move, see `LabelShift`
OUTLIERS = 0.005  # share of the squared distances that are capped, lest a few rows hide that scores are spread differently
BISECTIONS = 60


@dataclass(frozen=True, eq=False)
class LabelShift:
    """What changed for each class, (C,) arrays.

    The best cut is the probability F*/2 (Lipton et al. 2014), and F*, the best F1, itself grows with the prior. Where scores say
    nothing it is 2 prior / (1 + prior), so that thresholds need not move; where they say everything it is 1, so that the cut
    stays at the same probability, and thresholds follow all of the change in log-odds. `FOLLOWED` is the middle. On halves
    of 3,750 rows of real predictions, resampled so that 12 of some 13 classes were 0.3, 0.5, 2 or 3 times as frequent, following by
    half was worth 0.0040 +- 0.0011 in macro F1, following all the way -0.0033 +- 0.0018.

    Attributes:
        train: share of the train rows that have the class.
        test: the estimated share of the test rows; NaN where fewer than `LEAST` train rows have, or have not, the class.
        p_values: chance of a difference at least as large between rows without label shift; NaN for the same classes.
        fits: chance of scores that are spread at least as differently, if label shift is all that changed; NaN likewise.
        moves: what the thresholds gain, in logits of the blend; 0 where the shift is not significant, or does not fit.
    """

    train: NDArray[np.float64]
    test: NDArray[np.float64]
    p_values: NDArray[np.float64]
    fits: NDArray[np.float64]
    moves: NDArray[np.float64]

    def corrected(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Thresholds (C,) fitted on the train rows, as they suit the test rows; infinite ones stay."""
        return thresholds + self.moves


def estimate(train: Rows, test: Rows, level: float = 0.01) -> LabelShift:
    """The shift of every class between labelled rows and others, each seen by one model, the blend.

    Args:
        level: p-value below which a class' shift counts as significant, each class by itself.

    Raises:
        ValueError: the train rows carry no labels, or the two have different classes.
    """
    labels = train.known_labels
    if train.logits.shape[2] != test.logits.shape[2]:
        raise ValueError(f"train rows have {train.logits.shape[2]} classes, test rows {test.logits.shape[2]}")
    count = labels.sum(axis=0)
    shares, p_values, fits = np.full((3, len(count)), np.nan)
    moves = np.zeros(len(count))
    for column in np.flatnonzero(np.minimum(count, len(labels) - count) >= LEAST):
        seen, has, new = train.logits[0][:, column].astype(np.float64), labels[:, column], test.logits[0][:, column].astype(np.float64)
        platt, prior = Platt.fit(seen, has), float(has.mean())
        share = shares[column] = shifted_prior(Isotonic.fit(seen, has).predict(new), prior)
        # The score test of no shift: at d = 0 the slope of the likelihood in `shifted_prior` is the difference of mean
        # probabilities, and the calibrator's and the prior's own errors add the variance of the train rows' mean to it.
        p_values[column] = difference_p_value(platt.predict(seen), train.groups, platt.predict(new), test.groups)
        weights = np.where(has, share / prior, (1 - share) / (1 - prior))  # make train rows what label shift says test rows are
        spread, new_spread = _spreads(seen, weights, new)
        fits[column] = difference_p_value(spread, train.groups, new_spread, test.groups)
        if p_values[column] < level <= fits[column] and platt.slope > 0:
            moves[column] = -FOLLOWED * (_log_odds(share) - _log_odds(prior)) / platt.slope
    return LabelShift(labels.mean(axis=0), shares, p_values, fits, moves)


def shifted_prior(probs: NDArray[np.float64], prior: float) -> float:
    """The prior of rows whose probabilities (N,) were calibrated where it was `prior`, within a factor of 10 in odds.

    It is the fixed point of the EM algorithm of Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier
    to new a priori probabilities": the maximum of the likelihood sum(log(1 + d u)) in d, the change of the prior, with
    u = (probs - prior) / (prior (1 - prior)). That is concave, so bisection of its slope finds it sooner than EM.
    """
    gain = (probs - prior) / (prior * (1 - prior))
    low, high = (_share(_log_odds(prior) + side * LARGEST) - prior for side in (-1, 1))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if (gain / (1 + middle * gain)).sum() > 0:
            low = middle
        else:
            high = middle
    return float(prior + (low + high) / 2)


def difference_p_value(one: Floats, one_groups: NDArray[np.int64], other: Floats, other_groups: NDArray[np.int64]) -> float:
    """Two-sided, of equal means of values (N,) and (M,), whose groups are drawn as wholes; by the normal approximation.

    Nobody may know the groups (antibodies) of the others. They are taken to weigh at least as much as those of the first: as many
    times the variance of independent values.
    """
    first, second = _variance_of_mean(one, one_groups), _variance_of_mean(other, other_groups)
    alone = one.var() / len(one)
    effect = first / alone if alone > 0 else 1.0
    error = np.sqrt(first + max(second, effect * other.var() / len(other)))
    difference = abs(one.mean() - other.mean())
    return float(erfc(difference / error / np.sqrt(2))) if error > 0 else float(difference == 0)


def _spreads(seen: Floats, weights: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Squared distances of both kinds of scores from the weighted mean of the `seen` (N,); the mean of the first is the weighted one.

    The weights sum to N. Deviations from the mean are weighted, not the distances, so that the mean's variance is right too.
    """
    far, other = ((values - weights @ seen / len(seen)) ** 2 for values in (seen, new))
    cap = np.quantile(far, 1 - OUTLIERS)
    far, other = np.minimum(far, cap), np.minimum(other, cap)
    mean = weights @ far / len(far)
    return mean + weights * (far - mean), other


def _variance_of_mean(values: Floats, groups: NDArray[np.int64]) -> float:
    """The variance of the mean of values (N,), from the sums of whole groups; infinite for a single group."""
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], values - values.mean())
    return float((sums**2).sum() * len(sums) / (len(sums) - 1) / len(values) ** 2) if len(sums) > 1 else np.inf


def _log_odds(share: float) -> float:
    return float(np.log(share) - np.log1p(-share))


def _share(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))
