"""The logistic blend against a general solver, and how it is shrunk towards its base."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_expit

from comp.base import registry
from comp.base.errors import ConfigError
from comp.stacking.prediction_set import PredictionSet
from tests.unit.stacking.blenders.drawn import best_macro_f1, drawn, prediction_set


def blended(spec: dict, predictions: PredictionSet) -> np.ndarray:
    blender = registry.build("blenders", spec)
    return blender.predict(blender.fit(predictions), predictions.unlabelled())


@pytest.mark.parametrize("strength", [0.1, 10.0])
def test_logistic_is_the_optimum_that_a_general_solver_finds(strength: float) -> None:
    predictions = drawn(count=200, models=2)
    predictions = replace(predictions, logits=predictions.logits * np.float32(4))
    spec = {"name": "logistic", "base": {"name": "mean"}, "strength": strength, "clip": 5.0}
    found = registry.build("blenders", spec).fit(predictions)["slopes"]
    mean = registry.build("blenders", {"name": "mean"})
    base = mean.predict(mean.fit(predictions), predictions)
    for column, slopes in enumerate(found):
        design = np.column_stack([*np.clip(predictions.logits[:, :, column].astype(np.float64), -5, 5), np.ones(200)])
        signs = np.where(predictions.known_labels[:, column], 1, -1)

        def loss(free: np.ndarray, design: np.ndarray = design, signs: np.ndarray = signs, column: int = column) -> float:
            logits = base[:, column] + design @ free
            return -log_expit(signs * logits).sum() + (strength * free[:-1] @ free[:-1] + 0.01 * free[-1] ** 2) / 2

        solved = minimize(loss, np.zeros(3), tol=1e-12)
        assert [slopes["a"], slopes["b"], slopes[""]] == pytest.approx(solved.x, abs=1e-4)


def test_logistic_stays_nearer_to_its_base_the_fewer_positives_there_are() -> None:
    predictions = drawn(count=4000, positives=(0.002, 0.02, 0.2), seed=1)
    slopes = registry.build("blenders", {"name": "logistic"}).fit(predictions)["slopes"]
    sizes = [np.linalg.norm([each[model] for model in predictions.models]) for each in slopes]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("base", ["mean", "convex", "best_single"])
def test_logistic_that_is_held_fast_only_shifts_its_base(base: str) -> None:
    predictions = drawn()
    shift = blended({"name": "logistic", "base": {"name": base}, "strength": 1e12}, predictions) - blended({"name": base}, predictions)
    assert np.ptp(shift, axis=0) == pytest.approx(np.zeros(4), abs=1e-6)


def test_logistic_keeps_its_base_where_a_class_has_one_outcome_alone() -> None:
    predictions = drawn()
    labels = predictions.known_labels.copy()
    labels[:, 0], labels[:, 1] = False, True
    predictions = replace(predictions, labels=labels)
    assert registry.build("blenders", {"name": "logistic"}).fit(predictions)["slopes"][:2] == [{}, {}]
    base = blended({"name": "greedy"}, predictions)
    assert (blended({"name": "logistic"}, predictions)[:, :2] == base[:, :2]).all()


def test_logistic_outweighs_a_model_that_is_sure_and_wrong() -> None:
    predictions = drawn(count=1000, models=3)
    liar = np.where(np.random.default_rng(0).random((1, 1000, 4)) < 0.5, -16, 16)
    predictions = prediction_set(np.concatenate([predictions.logits[:2], liar]), predictions.known_labels)
    held_to_mean = blended({"name": "logistic", "base": {"name": "mean"}}, predictions)
    assert best_macro_f1(held_to_mean, predictions.known_labels) > best_macro_f1(
        blended({"name": "mean"}, predictions), predictions.known_labels
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "logistic", "strength": 0}, "strength = 0 does not fit"),
        ({"name": "logistic", "clip": -8}, "clip = -8 does not fit"),
        ({"name": "logistic", "base": "mean"}, "base = 'mean' does not fit"),
        ({"name": "logistic", "base": {"name": "gredy"}}, "there is no 'gredy'"),
    ],
)
def test_wrong_options_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.build("blenders", spec)
