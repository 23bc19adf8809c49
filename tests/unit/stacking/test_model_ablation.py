"""Contributions of models, against scores computed by hand."""

import numpy as np
import pytest

from comp.metrics.logits import sigmoid
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.model_ablation import ablate, correlations
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

MEAN, EXACT = {"name": "mean"}, {"name": "exact"}
RECIPE = Recipe(blenders=(MEAN,), thresholds=(EXACT,), bootstraps=100)


def drawn(skills: dict[str, float], count: int = 600) -> PredictionSet:
    rng = np.random.default_rng(0)
    labels = rng.random((count, 3)) < [0.1, 0.3, 0.5]
    logits = np.stack([skill * labels + rng.normal(size=labels.shape) - 1 for skill in skills.values()]).astype(np.float32)
    return PredictionSet(logits, tuple(skills), np.arange(count, dtype=np.int8) % 4, np.arange(count) // 2, labels)


def nested_by_hand(predictions: PredictionSet, models: tuple[str, ...]) -> float:
    decisions = np.zeros(predictions.known_labels.shape, bool)
    candidates = RECIPE.candidates()
    for fold in range(4):
        own = predictions.folds == fold
        (stack,) = candidates.fit(predictions.take(~own).only(models))
        decisions[own] = stack.decide(stack.blended(predictions.take(own).only(models)))[0]
    return macro_f1(predictions.known_labels, decisions)


def test_each_model_is_scored_alone_and_by_the_loss_without_it() -> None:
    predictions = drawn({"good": 2.0, "fair": 1.5, "liar": -2.0})
    found = ablate(predictions, RECIPE, MEAN, EXACT)
    for one in found.models:
        others = tuple(other for other in predictions.models if other != one.model)
        assert one.alone.value == pytest.approx(nested_by_hand(predictions, (one.model,)))
        assert one.adds.value == pytest.approx(nested_by_hand(predictions, predictions.models) - nested_by_hand(predictions, others))
    assert [one.model for one in found.models if one.hurts] == ["liar"]


def test_the_path_drops_what_is_missed_least_and_the_cheapest_is_within_one_error_of_its_best() -> None:
    predictions = drawn({"good": 2.5, "same": 0.0, "coin": 0.0, "fair": 1.8})
    logits = predictions.logits.copy()
    logits[predictions.models.index("same")] = logits[predictions.models.index("good")]
    found = ablate(
        PredictionSet(logits, predictions.models, predictions.folds, predictions.groups, predictions.labels), RECIPE, MEAN, EXACT
    )
    assert [len(each.models) for each in found.path] == [4, 3, 2, 1]
    assert "coin" not in found.path[1].models
    for longer, shorter in zip(found.path, found.path[1:], strict=False):
        assert set(shorter.models) < set(longer.models)
    best = max(found.path, key=lambda each: each.nested.value)
    assert best.behind.value == 0
    assert found.cheapest in found.path
    assert found.cheapest.behind.value <= found.cheapest.behind.error
    for each in found.path[found.path.index(found.cheapest) + 1 :]:
        assert each.behind.value > each.behind.error
    similar = {one.model: (one.most_similar, one.correlation) for one in found.models}
    assert similar["good"] == ("same", pytest.approx(1.0))


def test_correlations_are_means_over_the_classes_in_which_both_vary() -> None:
    predictions = drawn({"a": 2.0, "b": 1.0, "c": 0.5})
    logits = predictions.logits.copy()
    logits[2, :, 1] = -4.0  # c is constant about the second class
    logits[1] = 5.0  # b about all of them
    found = correlations(PredictionSet(logits, predictions.models, predictions.folds, predictions.groups))
    probs = sigmoid(logits.astype(np.float64))
    expected = np.mean([np.corrcoef(probs[0, :, column], probs[2, :, column])[0, 1] for column in (0, 2)])
    assert found[0, 2] == pytest.approx(expected)
    assert found[0, 0] == pytest.approx(1)
    assert (found[1] == 0).all()


def test_a_single_model_has_no_similar_one() -> None:
    found = ablate(drawn({"a": 1.0}), RECIPE, MEAN, EXACT)
    assert found.models[0].most_similar is None
    assert found.cheapest.models == ("a",)
