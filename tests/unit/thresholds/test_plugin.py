"""The plug-in rule against its steps written out, and where its theory says it must be right."""

import numpy as np
import pytest

from comp import parts
from comp.calibration import CALIBRATORS, cross_fitted
from comp.cuts import best_thresholds
from comp.metrics import macro_f1, sigmoid
from comp.rows import Rows
from comp.thresholds.plugin import expected_f1

KINDS = sorted(CALIBRATORS)


def plugin(kind):
    return parts.build("thresholds", {"name": "plugin", "calibrator": kind})


@pytest.mark.parametrize("seed", range(5))
def test_expected_f1_is_the_best_of_all_cuts(seed):
    probs = np.random.default_rng(seed).random(50).round(1)
    best = max(2 * probs[probs >= cut].sum() / ((probs >= cut).sum() + probs.sum()) for cut in np.unique(probs))
    assert expected_f1(probs) == pytest.approx(best)


@pytest.mark.parametrize("kind", KINDS)
def test_the_probability_at_the_threshold_is_half_of_the_best_f1(draw, kind):
    rows = draw(count=600)
    thresholds = plugin(kind).fit(rows)
    for column in range(4):
        scores, has = rows.logits[0][:, column], rows.known_labels[:, column]
        half = expected_f1(cross_fitted(CALIBRATORS[kind], scores, has, rows.folds)) / 2
        fitted = CALIBRATORS[kind].fit(scores, has)
        below, above = (fitted.predict(np.array([thresholds[column] + side])).item() for side in (-1e-4, 1e-4))
        assert below < half + 1e-9
        assert above >= half


@pytest.mark.parametrize("kind", KINDS)
def test_calibrated_scores_are_cut_where_f1_is_highest(kind):
    rng = np.random.default_rng(0)
    logits = (2 * rng.normal(size=(1, 20_000, 3)) - [1, 3, 5]).astype(np.float32)
    labels = rng.random((20_000, 3)) < sigmoid(logits[0])
    rows = Rows(logits, ("blend",), (np.arange(20_000) % 5).astype(np.int8), np.arange(20_000), labels)
    found = macro_f1(labels, logits[0] >= plugin(kind).fit(rows))
    assert found > macro_f1(labels, logits[0] >= best_thresholds(logits[0], labels)) - 0.012


@pytest.mark.parametrize("kind", KINDS)
def test_scores_that_are_not_calibrated_are_calibrated_first(draw, kind):
    """Any logits a score + b give the same decisions."""
    rows = draw(count=800)
    other = rows.blended(3 * rows.logits[0] - 2)
    one, two = (each.logits[0] >= plugin(kind).fit(each) for each in (rows, other))
    assert (one == two).mean() > 0.999
