"""Thresholds of highest expected F1 for given rows, against all subsets of the rows."""

from itertools import product

import numpy as np
import pytest

from comp.metrics.calibration import Isotonic, Platt
from comp.metrics.expected_f1 import expected_f1, thresholds_for_rows
from comp.metrics.logits import logit, sigmoid

IDENTITY = Platt(1.0, 0.0)


def expected_counts_f1(probs: np.ndarray, predicted: np.ndarray) -> float:
    """F1 of the expected counts, 2 TP / (predicted + positives); 0 if nothing is predicted."""
    return 2 * probs[predicted].sum() / (predicted.sum() + probs.sum())


@pytest.mark.parametrize("seed", range(5))
def test_no_subset_of_the_rows_has_a_higher_expected_f1(seed: int) -> None:
    probs = np.random.default_rng(seed).beta(0.5, 2, (10, 3))
    decided = logit(probs) >= thresholds_for_rows([IDENTITY] * 3, logit(probs))
    for column in range(3):
        best = max(expected_counts_f1(probs[:, column], np.array(subset)) for subset in product([False, True], repeat=10) if any(subset))
        assert expected_counts_f1(probs[:, column], decided[:, column]) == pytest.approx(best)
        assert expected_f1(probs[:, column]) == pytest.approx(best)


def test_the_threshold_is_half_of_the_highest_expected_f1_of_these_rows() -> None:
    rng = np.random.default_rng(0)
    rare, frequent = logit(rng.beta(0.2, 4, (400, 1))), logit(rng.beta(2, 2, (400, 1)))
    low, high = (thresholds_for_rows([IDENTITY], scores)[0] for scores in (rare, frequent))
    assert sigmoid(np.array(low)) == pytest.approx(expected_f1(sigmoid(rare[:, 0])) / 2)
    assert low < high  # F* is higher where the class is frequent


def test_a_class_without_a_curve_is_never_predicted_and_thresholds_stay_near_the_scores() -> None:
    scores = np.linspace(-1, 1, 7)[:, None] * np.ones(3)
    sure, hopeless = Isotonic(np.array([-9.0, 9.0]), np.array([1.0, 1.0])), Isotonic(np.array([-9.0, 9.0]), np.array([0.0, 0.0]))
    found = thresholds_for_rows([None, sure, hopeless], scores)
    assert found[0] == np.inf
    assert found[1] == -2.0
    assert -2.0 <= found[2] <= 1.0
