"""The smoothed rule against the kernel sums written out."""

import numpy as np
import pytest
from scipy.stats import norm

from comp.base import registry
from comp.metrics.f1_search import best_thresholds
from comp.stacking.thresholds.smoothed import best_smoothed, silverman


def smooth_f1(scores: np.ndarray, is_positive: np.ndarray, threshold: float, bandwidth: float) -> float:
    above = norm.cdf((scores - threshold) / bandwidth)
    return 2 * above[is_positive].sum() / (above.sum() + is_positive.sum())


@pytest.mark.parametrize("bandwidth", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("column", range(4))
def test_no_threshold_has_a_higher_smoothed_f1(draw, bandwidth, column):
    predictions = draw(3)
    scores, is_positive = predictions.logits[0][:, column].astype(np.float64), predictions.known_labels[:, column]
    found = best_smoothed(np.sort(scores), np.sort(scores[is_positive]), bandwidth)
    best = max(smooth_f1(scores, is_positive, threshold, bandwidth) for threshold in np.linspace(-9, 6, 3001))
    assert smooth_f1(scores, is_positive, found, bandwidth) == pytest.approx(best, abs=2e-3)


def test_a_narrow_kernel_finds_the_exact_threshold(draw):
    predictions = draw(count=60)
    scores, labels = predictions.logits[0], predictions.known_labels
    exact = best_thresholds(scores, labels)
    found = registry.build("thresholds", {"name": "smoothed", "bandwidth": 0.01}).fit(predictions)
    present = labels.any(axis=0)
    assert ((scores >= found) == (scores >= exact))[:, present].mean() > 0.999


def test_a_lonely_gap_does_not_decide():
    """A few false rows fewer in one narrow gap: exact falls for it, smoothed stays with the bulk."""
    rng = np.random.default_rng(0)
    errors = {"exact": [], "smoothed": []}
    for _ in range(40):
        is_positive = rng.random(500) < 0.04
        scores = (2 * is_positive + rng.normal(size=500)).astype(np.float32)
        fresh_has = rng.random(20_000) < 0.04
        fresh = 2 * fresh_has + rng.normal(size=20_000)
        best = best_thresholds(fresh[:, None], fresh_has[:, None])[0]
        for name, thresholds in (
            ("exact", best_thresholds(scores[:, None], is_positive[:, None])[0]),
            ("smoothed", best_smoothed(np.sort(scores), np.sort(scores[is_positive]), 0.5 * silverman(scores[is_positive], scores))),
        ):
            errors[name].append(thresholds - best)
    assert np.std(errors["smoothed"]) < np.std(errors["exact"])


def test_the_bandwidth_is_silvermans():
    rng = np.random.default_rng(0)
    positives, everything = rng.normal(size=5000), 3 * rng.normal(size=50_000)
    assert silverman(positives, everything) == pytest.approx(0.9 * 5000**-0.2, rel=0.03)
    assert silverman(positives[:1], everything) == pytest.approx(0.9 * 3, rel=0.03)  # one positive scatters as all rows do
    assert silverman(np.zeros(3), np.zeros(9)) == 1


@pytest.mark.parametrize("size", [16.0, 700.0])
def test_extremes_and_a_few_rows_close_together_stay_apart(size):
    scores = np.r_[np.full(500, -size), np.full(20, size)]
    for jitter in (0.0, 1e-5):
        values = np.sort(scores + jitter * np.arange(520))
        positives = values[500:]
        found = best_smoothed(values, positives, 0.5 * silverman(positives, values))
        assert ((values >= found) == (np.arange(520) >= 500)).all()
