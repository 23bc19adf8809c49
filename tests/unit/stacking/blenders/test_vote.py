"""The vote against counting."""

from dataclasses import replace

import numpy as np
import pytest

from comp.base import registry
from comp.stacking.prediction_set import PredictionSet
from tests.unit.stacking.blenders.drawn import drawn, prediction_set


def blended(spec: dict, predictions: PredictionSet) -> np.ndarray:
    blender = registry.build("blenders", spec)
    return blender.predict(blender.fit(predictions), predictions.unlabelled())


def test_vote_is_above_zero_exactly_where_a_majority_says_yes() -> None:
    predictions = drawn(models=3)
    blender = registry.build("blenders", {"name": "vote"})
    state = blender.fit(predictions)
    votes = np.sum([logits >= np.array(state[model]) for model, logits in zip(predictions.models, predictions.logits, strict=True)], axis=0)
    logits = blender.predict(state, predictions)
    assert ((logits > 0) == (votes >= 2)).all()
    for fewer in range(3):
        assert logits[votes == fewer].max() < logits[votes == fewer + 1].min()


def test_vote_breaks_a_draw_by_the_distances() -> None:
    predictions = prediction_set(np.array([[[3.0], [0.5], [-1.0]], [[-1.0], [-0.1], [-4.0]]]), None)
    found = registry.build("blenders", {"name": "vote"}).predict({"a": [0.0], "b": [0.0]}, predictions)
    mean = (np.tanh(1.5) - np.tanh(0.5)) / 2
    assert found[0, 0] == pytest.approx(np.log((2 + mean / 2) / (2 - mean / 2)))
    assert found[1, 0] > 0 > found[2, 0]


def test_vote_never_says_a_class_that_nobody_saw() -> None:
    predictions = drawn(models=3)
    labels = predictions.known_labels & [False, True, True, True]
    assert (blended({"name": "vote"}, replace(predictions, labels=labels))[:, 0] < 0).all()
