"""Prediction sets keep their arrays together, can hide labels, and do not depend on the order of the models."""

import numpy as np
import pytest

from comp.metrics.logits import logit, sigmoid
from comp.stacking.prediction_set import PredictionSet


def some_predictions(models: tuple[str, ...] = ("a", "b"), count: int = 6) -> PredictionSet:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(len(models), count, 4)).astype(np.float32)
    labels = rng.random((count, 4)) < 0.5
    return PredictionSet(logits, models, np.arange(count, dtype=np.int8) % 3, np.arange(count) // 2, labels)


def test_models_stand_in_the_order_of_their_names() -> None:
    predictions = some_predictions()
    turned = PredictionSet(predictions.logits[::-1], ("b", "a"), predictions.folds, predictions.groups, predictions.labels)
    assert turned.models == ("a", "b")
    assert (turned.logits == predictions.logits).all()


def test_take_keeps_every_array_together() -> None:
    predictions = some_predictions()
    taken = predictions.take(predictions.folds == 1)
    assert len(taken) == 2
    assert (taken.logits == predictions.logits[:, [1, 4]]).all()
    assert (taken.labels == predictions.known_labels[[1, 4]]).all()
    assert taken.groups.tolist() == [0, 2]


def test_unlabelled_predictions_have_no_labels() -> None:
    with pytest.raises(ValueError, match="no labels"):
        _ = some_predictions().unlabelled().known_labels
    assert some_predictions().unlabelled().take(np.array([0])).labels is None


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        some_predictions().labels = None  # type: ignore[misc]


@pytest.mark.parametrize("change", [{"folds": np.zeros(5, np.int8)}, {"groups": np.zeros(7, int)}, {"labels": np.zeros((6, 3), bool)}])
def test_arrays_that_do_not_fit_are_refused(change: dict) -> None:
    predictions = some_predictions()
    given = {"folds": predictions.folds, "groups": predictions.groups, "labels": predictions.labels} | change
    with pytest.raises(ValueError, match=next(iter(change))):
        PredictionSet(predictions.logits, predictions.models, **given)


def test_repeated_model_names_are_refused() -> None:
    with pytest.raises(ValueError, match="repeat"):
        some_predictions(("a", "a"))


def test_mean_probability_is_the_mean_of_probabilities() -> None:
    predictions = some_predictions(("a", "b", "c"))
    probs = sigmoid(predictions.logits.astype(np.float64))
    assert np.allclose(predictions.mean_probability({"a": 0.25, "c": 0.75}), logit(0.25 * probs[0] + 0.75 * probs[2]), atol=1e-12)


@pytest.mark.parametrize("value", [-800.0, -30.0, 0.0, 30.0, 90.0])
def test_mean_probability_keeps_extreme_logits(value: float) -> None:
    logits = np.full((2, 1, 1), value, np.float32)
    predictions = PredictionSet(logits, ("a", "b"), np.zeros(1, np.int8), np.zeros(1, int))
    assert predictions.mean_probability({"a": 0.5, "b": 0.5})[0, 0] == pytest.approx(max(value, np.log(np.finfo(float).tiny)), abs=1e-6)
