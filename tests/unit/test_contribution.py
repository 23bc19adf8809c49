"""What models contribute, against scores computed by hand."""

import numpy as np
import pytest

from comp.contribution import contributions, correlations
from comp.metrics import macro_f1, sigmoid
from comp.rows import Rows
from comp.stacking import Recipe

MEAN, EXACT = {"name": "mean"}, {"name": "exact"}
RECIPE = Recipe(blenders=(MEAN,), thresholds=(EXACT,), bootstraps=100)


def drawn(skills: dict[str, float], count: int = 600) -> Rows:
    rng = np.random.default_rng(0)
    labels = rng.random((count, 3)) < [0.1, 0.3, 0.5]
    logits = np.stack([skill * labels + rng.normal(size=labels.shape) - 1 for skill in skills.values()]).astype(np.float32)
    return Rows(logits, tuple(skills), np.arange(count, dtype=np.int8) % 4, np.arange(count) // 2, labels)


def nested_by_hand(rows: Rows, models: tuple[str, ...]) -> float:
    decisions = np.zeros(rows.known_labels.shape, bool)
    candidates = RECIPE.candidates()
    for fold in range(4):
        own = rows.folds == fold
        (stack,) = candidates.fit(rows.take(~own).only(models))
        decisions[own] = stack.decide(stack.blended(rows.take(own).only(models)))[0]
    return macro_f1(rows.known_labels, decisions)


def test_each_model_is_scored_alone_and_by_what_is_lost_without_it() -> None:
    rows = drawn({"good": 2.0, "fair": 1.5, "liar": -2.0})
    found = contributions(rows, RECIPE, MEAN, EXACT)
    for one in found.models:
        others = tuple(other for other in rows.models if other != one.model)
        assert one.alone.value == pytest.approx(nested_by_hand(rows, (one.model,)))
        assert one.adds.value == pytest.approx(nested_by_hand(rows, rows.models) - nested_by_hand(rows, others))
    assert [one.model for one in found.models if one.hurts] == ["liar"]


def test_the_path_drops_what_is_missed_least_and_the_cheapest_is_within_one_error_of_its_best() -> None:
    rows = drawn({"good": 2.5, "same": 0.0, "coin": 0.0, "fair": 1.8})
    logits = rows.logits.copy()
    logits[rows.models.index("same")] = logits[rows.models.index("good")]
    found = contributions(Rows(logits, rows.models, rows.folds, rows.groups, rows.labels), RECIPE, MEAN, EXACT)
    assert [len(proof.models) for proof in found.path] == [4, 3, 2, 1]
    assert "coin" not in found.path[1].models
    for longer, shorter in zip(found.path, found.path[1:], strict=False):
        assert set(shorter.models) < set(longer.models)
    best = max(found.path, key=lambda proof: proof.nested.value)
    assert best.behind.value == 0
    assert found.cheapest in found.path
    assert found.cheapest.behind.value <= found.cheapest.behind.error
    for proof in found.path[found.path.index(found.cheapest) + 1 :]:
        assert proof.behind.value > proof.behind.error
    twins = {one.model: (one.twin, one.correlation) for one in found.models}
    assert twins["good"] == ("same", pytest.approx(1.0))


def test_correlations_are_means_over_the_classes_in_which_both_vary() -> None:
    rows = drawn({"a": 2.0, "b": 1.0, "c": 0.5})
    logits = rows.logits.copy()
    logits[2, :, 1] = -4.0  # c is constant about the second class
    logits[1] = 5.0  # b about all of them
    found = correlations(Rows(logits, rows.models, rows.folds, rows.groups))
    probs = sigmoid(logits.astype(np.float64))
    expected = np.mean([np.corrcoef(probs[0, :, column], probs[2, :, column])[0, 1] for column in (0, 2)])
    assert found[0, 2] == pytest.approx(expected)
    assert found[0, 0] == pytest.approx(1)
    assert (found[1] == 0).all()


def test_an_only_model_has_no_twin() -> None:
    found = contributions(drawn({"a": 1.0}), RECIPE, MEAN, EXACT)
    assert found.models[0].twin is None
    assert found.cheapest.models == ("a",)
