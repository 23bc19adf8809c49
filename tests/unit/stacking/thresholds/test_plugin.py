"""The plug-in rule against its steps written out, and where its theory says it must be right."""

import numpy as np
import pytest

from comp.base import registry
from comp.metrics.calibration import CALIBRATORS, cross_fitted
from comp.metrics.expected_f1 import expected_f1
from comp.metrics.f1_search import best_thresholds
from comp.metrics.logits import sigmoid
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.prediction_set import PredictionSet

KINDS = sorted(CALIBRATORS)


def plugin(kind):
    return registry.build("thresholds", {"name": "plugin", "calibrator": kind})


@pytest.mark.parametrize("seed", range(5))
def test_expected_f1_is_the_best_of_all_thresholds(seed):
    probs = np.random.default_rng(seed).random(50).round(1)
    best = max(2 * probs[probs >= threshold].sum() / ((probs >= threshold).sum() + probs.sum()) for threshold in np.unique(probs))
    assert expected_f1(probs) == pytest.approx(best)


@pytest.mark.parametrize("kind", KINDS)
def test_the_probability_at_the_threshold_is_half_of_the_best_f1(draw, kind):
    predictions = draw(count=600)
    thresholds = plugin(kind).fit(predictions)
    for column in range(4):
        scores, is_positive = predictions.logits[0][:, column], predictions.known_labels[:, column]
        half = expected_f1(cross_fitted(CALIBRATORS[kind], scores, is_positive, predictions.folds)) / 2
        fitted = CALIBRATORS[kind].fit(scores, is_positive)
        below, above = (fitted.predict(np.array([thresholds[column] + side])).item() for side in (-1e-4, 1e-4))
        assert below < half + 1e-9
        assert above >= half


@pytest.mark.parametrize("kind", KINDS)
def test_calibrated_scores_are_cut_where_f1_is_highest(kind):
    rng = np.random.default_rng(0)
    logits = (2 * rng.normal(size=(1, 20_000, 3)) - [1, 3, 5]).astype(np.float32)
    labels = rng.random((20_000, 3)) < sigmoid(logits[0])
    predictions = PredictionSet(logits, ("blend",), (np.arange(20_000) % 5).astype(np.int8), np.arange(20_000), labels)
    found = macro_f1(labels, logits[0] >= plugin(kind).fit(predictions))
    assert found > macro_f1(labels, logits[0] >= best_thresholds(logits[0], labels)) - 0.012


@pytest.mark.parametrize("kind", KINDS)
def test_scores_that_are_not_calibrated_are_calibrated_first(draw, kind):
    """Any logits a score + b give the same decisions."""
    predictions = draw(count=800)
    other = predictions.blended(3 * predictions.logits[0] - 2)
    one, two = (each.logits[0] >= plugin(kind).fit(each) for each in (predictions, other))
    assert (one == two).mean() > 0.999
