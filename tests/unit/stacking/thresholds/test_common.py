"""Rules with one threshold for all classes, and those that mix thresholds, against slow obvious versions."""

import numpy as np
import pytest

from comp.base import registry
from comp.metrics.f1_search import NEVER
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.prediction_set import PredictionSet


def rule(name, **options):
    return registry.build("thresholds", {"name": name, **options})


@pytest.mark.parametrize(("at", "threshold"), [(0.5, 0.0), (0.2, -np.log(4)), (0.9, np.log(9))])
def test_fixed_is_the_logit_of_its_probability(draw, at, threshold):
    assert rule("fixed", at=at).fit(draw()) == pytest.approx(np.full(4, threshold))


@pytest.mark.parametrize("seed", range(8))
def test_single_is_the_best_of_all_common_thresholds(draw, seed):
    predictions = draw(seed, count=60, decimals=1 if seed % 2 else 6)
    scores, labels = predictions.logits[0], predictions.known_labels
    best = max(macro_f1(labels, scores >= threshold) for threshold in np.unique(scores))
    found = rule("single").fit(predictions)
    present = labels.any(axis=0)
    assert np.unique(found[present]).size == 1
    assert (found[~present] == NEVER).all()
    assert macro_f1(labels, scores >= found) == pytest.approx(best)
    middle = found[present][0]
    near = np.abs(scores[:, present] - middle)
    above, below = (near[side].min() for side in (scores[:, present] > middle, scores[:, present] < middle))
    assert above == pytest.approx(below, rel=1e-4)  # halfway between the two scores next to it


def test_single_lies_below_all_where_all_are_positive():
    predictions = PredictionSet(np.float32([[[1, 2], [3, 4]]]), ("blend",), np.zeros(2, np.int8), np.arange(2), np.ones((2, 2), bool))
    assert rule("single").fit(predictions).tolist() == [0, 0]


def test_shrunk_weighs_the_own_threshold_by_its_positives(draw):
    predictions = draw(positives=(0.02, 0.1, 0.3, 0.0))
    count = predictions.known_labels.sum(axis=0)
    own, common = rule("bagged").fit(predictions), rule("single").fit(predictions)
    found = rule("shrunk", k=10).fit(predictions)
    for column in range(3):
        assert found[column] == pytest.approx((count[column] * own[column] + 10 * common[column]) / (count[column] + 10))
    assert found[3] == NEVER


def test_shrunk_goes_from_its_own_rule_to_the_common_threshold(draw):
    predictions = draw()
    assert rule("shrunk", k=0, own={"name": "exact"}).fit(predictions) == pytest.approx(rule("exact").fit(predictions))
    assert rule("shrunk", k=1e12).fit(predictions) == pytest.approx(rule("single").fit(predictions))


def test_committee_is_the_mean_of_its_members(draw):
    predictions = draw(positives=(0.02, 0.1, 0.3, 0.0))
    members = ({"name": "exact"}, {"name": "ratio", "factor": 2}, {"name": "fixed"})
    found = rule("committee", of=members).fit(predictions)
    assert found == pytest.approx(np.mean([registry.build("thresholds", spec).fit(predictions) for spec in members], axis=0))
    assert (rule("committee", of=[{"name": "exact"}]).fit(predictions) == rule("exact").fit(predictions)).all()
