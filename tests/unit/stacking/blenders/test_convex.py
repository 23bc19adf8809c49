"""Convex weights against a general solver, and against the weights that labels were drawn with."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from comp.base import registry
from comp.stacking.prediction_set import PredictionSet
from tests.unit.stacking.blenders.drawn import drawn, prediction_set


def log_loss(predictions: PredictionSet, weights: np.ndarray) -> float:
    probs = np.tensordot(weights, expit(predictions.logits.astype(np.float64)), 1)
    return -np.log(np.where(predictions.known_labels, probs, 1 - probs)).mean()


@pytest.mark.parametrize("seed", range(3))
def test_convex_reaches_the_least_loss_that_a_general_solver_finds(seed: int) -> None:
    predictions = drawn(seed, models=5)
    found = registry.build("blenders", {"name": "convex"}).fit(predictions)
    weights = np.array([found[model] for model in predictions.models])
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    solved = minimize(
        lambda free: log_loss(predictions, free / free.sum()), np.full(5, 0.2), bounds=[(1e-9, 1)] * 5, method="L-BFGS-B", tol=1e-12
    )
    assert log_loss(predictions, weights) <= solved.fun * (1 + 1e-5)


def test_convex_finds_the_weights_that_the_labels_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 40_000, 3)) * 2
    probs = np.tensordot([0.6, 0.4, 0.0], expit(logits), 1)
    found = registry.build("blenders", {"name": "convex"}).fit(prediction_set(logits, rng.random(probs.shape) < probs))
    assert [found[model] for model in "abc"] == pytest.approx([0.6, 0.4, 0.0], abs=0.03)


def test_convex_splits_evenly_between_equal_models() -> None:
    predictions = drawn(models=3)
    found = registry.build("blenders", {"name": "convex"}).fit(prediction_set(predictions.logits[[0, 0, 2]], predictions.known_labels))
    assert found["a"] == pytest.approx(found["b"], rel=1e-3)
