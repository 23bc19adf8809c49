"""The blenders that weigh all models alike, take one, or take the weights as given."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from comp.base import registry
from comp.base.errors import ConfigError
from comp.metrics.logits import sigmoid
from comp.stacking.prediction_set import PredictionSet
from tests.unit.stacking.blenders.drawn import best_macro_f1, drawn, prediction_set

WEIGHTS = {"a": 3.0, "b": 0.0, "c": 1.0, "d": 4.0}


def blended(spec: dict, predictions: PredictionSet) -> np.ndarray:
    blender = registry.build("blenders", spec)
    return blender.predict(blender.fit(predictions), predictions)


def test_best_single_is_the_best_of_all_by_brute_force() -> None:
    predictions = drawn(count=120)
    scores = [best_macro_f1(logits, predictions.known_labels) for logits in predictions.logits]
    assert registry.build("blenders", {"name": "best_single"}).fit(predictions) == {predictions.models[int(np.argmax(scores))]: 1.0}


def test_best_single_predicts_that_models_own_logits() -> None:
    predictions = drawn()
    predicted = registry.build("blenders", {"name": "best_single"}).predict({"b": 1.0}, predictions)
    assert (predicted.astype(np.float32) == predictions.logits[1]).all()


def test_mean_weighs_all_alike() -> None:
    predictions = drawn()
    assert registry.build("blenders", {"name": "mean"}).fit(predictions) == dict.fromkeys("abcd", 0.25)
    probs = sigmoid(predictions.logits.astype(np.float64)).mean(axis=0)
    assert np.allclose(sigmoid(blended({"name": "mean"}, predictions)), probs)


def test_mean_logits_is_the_mean_of_logits() -> None:
    predictions = drawn()
    assert np.allclose(blended({"name": "mean_logits"}, predictions), predictions.logits.mean(axis=0, dtype=np.float64), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_weights_replay_an_ensemble_in_any_order_of_rows_and_models(seed: int) -> None:
    predictions = drawn(seed)
    mixed = np.random.default_rng(seed).permutation(len(predictions))
    shares = np.array([3, 0, 1, 4]) / 8
    of = {
        "logits": np.tensordot(shares, predictions.logits.astype(np.float64), 1),
        "probabilities": np.tensordot(shares, 1 / (1 + np.exp(-predictions.logits.astype(np.float64))), 1),
    }
    for kind, published in of.items():
        found = blended({"name": "weights", "weights": dict(reversed(WEIGHTS.items())), "of": kind}, predictions.take(mixed))
        again = found if kind == "logits" else 1 / (1 + np.exp(-found))
        assert np.allclose(again.astype(np.float32), published[mixed].astype(np.float32), rtol=3e-7, atol=0)


def test_weights_are_made_to_sum_to_one() -> None:
    assert registry.build("blenders", {"name": "weights", "weights": WEIGHTS}).fit(drawn()) == {"a": 0.375, "b": 0, "c": 0.125, "d": 0.5}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({**WEIGHTS, "e": 1}, r"there is no model 'e': give weights to exactly these models: a, b, c, d"),
        ({"a": 1, "b": 1, "d": 1}, r"'c' has no weight: add `c: 0` to leave it out"),
        ({**WEIGHTS, "b": -0.5}, r"the weight of 'b' is -0.5: give each model 0 or more"),
        ({**WEIGHTS, "b": float("nan")}, r"the weight of 'b' is nan"),
        ({**WEIGHTS, "b": float("inf")}, r"the weight of 'b' is inf"),
        (dict.fromkeys("abcd", 0), r"the weights add up to 0"),
        ({}, r"the weights add up to 0"),
        ({"a": "much"}, r"does not fit"),
        ([0.5, 0.5], r"does not fit"),
    ],
)
def test_weights_that_cannot_be_are_refused_in_one_line(weights: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        registry.build("blenders", {"name": "weights", "weights": weights}).fit(drawn())
    assert "\n" not in str(raised.value)


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(ConfigError, match="of = 'ranks' does not fit"):
        registry.build("blenders", {"name": "weights", "weights": WEIGHTS, "of": "ranks"})


@pytest.mark.parametrize("ties", [False, True])
def test_rank_mean_is_the_mean_of_mid_ranks(ties: bool) -> None:
    predictions = drawn(count=100)
    if ties:
        predictions = replace(predictions, logits=predictions.logits.round())
    ranks = (rankdata(predictions.logits, axis=1) - 0.5) / len(predictions)  # ties share the mean of their ranks
    assert np.allclose(sigmoid(blended({"name": "rank_mean"}, predictions)), ranks.mean(axis=0), rtol=1e-9)


def test_rank_mean_keeps_few_points_and_tells_the_highest_rows_apart() -> None:
    predictions = drawn(count=20_000, models=1)
    blender = registry.build("blenders", {"name": "rank_mean", "points": 64})
    state = blender.fit(predictions)
    assert max(len(levels) for levels, _ in state["a"]) <= 64
    found = sigmoid(blender.predict(state, predictions))
    ranks = (rankdata(predictions.logits[0], axis=0) - 0.5) / len(predictions)
    assert abs(found - ranks).max() < 0.01
    highest = ranks > 1 - 100 / len(predictions)
    assert abs(np.log((1 - found[highest]) / (1 - ranks[highest]))).max() < 0.5
    assert (np.diff(found[np.argsort(ranks[:, 0]), 0]) >= 0).all()


def test_rank_mean_of_rows_beyond_those_it_was_fitted_on() -> None:
    fitted = prediction_set(np.array([[[0.0], [1.0], [2.0], [3.0]], [[5.0], [5.0], [5.0], [5.0]]]), None)
    blender = registry.build("blenders", {"name": "rank_mean"})
    found = blender.predict(blender.fit(fitted), prediction_set(np.array([[[-9.0], [9.0], [1.0]], [[-1.0], [7.0], [5.0]]]), None))
    assert np.allclose(sigmoid(found[:, 0]), [(1 / 8 + 1 / 2) / 2, (7 / 8 + 1 / 2) / 2, (3 / 8 + 1 / 2) / 2])


def test_rank_mean_without_points_is_refused() -> None:
    with pytest.raises(ConfigError, match="points = 0 does not fit"):
        registry.build("blenders", {"name": "rank_mean", "points": 0})
