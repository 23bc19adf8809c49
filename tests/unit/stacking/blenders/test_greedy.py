"""Greedy selection against a naive search, with metrics by scikit-learn."""

from math import ceil

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss

from comp.base import registry
from comp.base.errors import ConfigError
from comp.metrics.f1_search import best_f1, class_major, positive_rows
from comp.metrics.logits import sigmoid
from comp.stacking.greedy_objectives import climb
from comp.stacking.prediction_set import PredictionSet
from tests.unit.stacking.blenders.drawn import best_macro_f1, drawn, prediction_set


def mean_log_loss(probs: np.ndarray, labels: np.ndarray) -> float:
    return -float(
        np.mean([log_loss(is_positive, values, labels=[False, True]) for values, is_positive in zip(probs.T, labels.T, strict=True)])
    )


def mean_average_precision(probs: np.ndarray, labels: np.ndarray) -> float:
    return float(
        np.mean(
            [
                average_precision_score(is_positive, values) if is_positive.any() else 0
                for values, is_positive in zip(probs.T, labels.T, strict=True)
            ]
        )
    )


METRICS = {"macro_f1": best_macro_f1, "log_loss": mean_log_loss, "map": mean_average_precision}


def naive(predictions: PredictionSet, steps: int, metric: str) -> dict[str, float]:
    """Every step tries every model."""
    probs = sigmoid(predictions.logits)
    chosen: list[int] = []
    best: tuple[float, list[int]] = (-np.inf, [])
    for _ in range(steps):
        sums = [sum((probs[number] for number in chosen), np.float32(0)) + each for each in probs]
        scores = [METRICS[metric](total.astype(np.float64) / (len(chosen) + 1), predictions.known_labels) for total in sums]
        chosen.append(int(np.argmax(scores)))
        if scores[chosen[-1]] > best[0] + 1e-9:
            best = (scores[chosen[-1]], chosen.copy())
    return {predictions.models[number]: best[1].count(number) / len(best[1]) for number in set(best[1])}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_takes_the_steps_of_a_naive_search(metric: str, seed: int) -> None:
    predictions = drawn(seed, count=80, models=3)
    assert registry.build("blenders", {"name": "greedy", "steps": 6, "metric": metric}).fit(predictions) == pytest.approx(
        naive(predictions, 6, metric)
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ties", [False, True])
def test_each_metric_is_that_of_the_mean(metric: str, ties: bool) -> None:
    predictions = drawn(3, count=150, models=3, positives=(0.0, 0.05, 0.5, 1.0))
    if ties:
        predictions = prediction_set(predictions.logits.round() * 2, predictions.known_labels)
    probs, total = sigmoid(predictions.logits), np.zeros((150, 4), np.float32)
    climbed = climb(metric, predictions)  # type: ignore[arg-type]
    for step, added in enumerate([2, 0, 0, 1]):
        wanted = [METRICS[metric]((total + each).astype(np.float64) / (step + 1), predictions.known_labels) for each in probs]
        assert climbed.tried() == pytest.approx(wanted, rel=1e-5)
        climbed.add(added)
        total += probs[added]


@pytest.mark.parametrize("seed", range(8))
def test_macro_f1_of_many_rows_is_exactly_that_of_the_plain_search(seed: int) -> None:
    """Enough rows for the histogram, with ties and saturated networks: every result is bit-identical, whatever is added."""
    rng = np.random.default_rng(seed)
    labels = rng.random((9000, 6)) < [0.0, 0.0003, 0.004, 0.1, 0.45, 0.98]
    skill = rng.choice([-1.0, 0.0, 1.0, 3.0], (4, 1, 1))
    logits = skill * labels + rng.normal(size=(4, 9000, 6)) * rng.choice([0.2, 1.0, 5.0], (4, 1, 1)) - rng.choice([0, 2, 6])
    if seed % 2:
        logits = logits.round()
    logits[rng.integers(4)] = np.sign(logits[0]) * 16
    predictions = prediction_set(logits, labels)
    climbed, positives = climb("macro_f1", predictions), positive_rows(labels)
    probs = [class_major(sigmoid(each)) for each in predictions.logits]
    total = np.zeros_like(probs[0])
    for added in rng.integers(4, size=7):
        assert (climbed.tried() == [best_f1(total + each, positives).mean() for each in probs]).all()
        climbed.add(int(added))
        total += probs[added]


def test_leaves_out_a_coin_and_beats_every_member() -> None:
    predictions = drawn(count=2000)
    greedy = registry.build("blenders", {"name": "greedy"})
    weights = greedy.fit(predictions)
    assert weights.get("d", 0) < 0.1
    assert sum(weights.values()) == pytest.approx(1)
    blended = best_macro_f1(greedy.predict(weights, predictions).astype(np.float32)[:400], predictions.known_labels[:400])
    assert blended > max(best_macro_f1(logits[:400], predictions.known_labels[:400]) for logits in predictions.logits) - 0.02


def test_bags_average_selections_among_some_of_the_models() -> None:
    predictions = drawn(count=200, models=5)
    bagged = registry.build("blenders", {"name": "greedy", "steps": 6, "bags": 7, "fraction": 0.5, "seed": 3}).fit(predictions)
    rng, plain = np.random.default_rng(3), registry.build("blenders", {"name": "greedy", "steps": 6})
    wanted: dict[str, float] = {}
    for _ in range(7):
        names = [predictions.models[number] for number in rng.choice(5, ceil(0.5 * 5), replace=False)]
        for model, weight in plain.fit(predictions.only(names)).items():
            wanted[model] = wanted.get(model, 0) + weight / 7
    assert bagged == pytest.approx(wanted)
    assert bagged != plain.fit(predictions)
    assert sum(bagged.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "wrong", [{"metric": "f1"}, {"bags": -1}, {"fraction": 0}, {"fraction": 1.5}, {"fraction": "half"}, {"steps": 0}, {"seed": -1}]
)
def test_wrong_options_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        registry.build("blenders", {"name": "greedy", **wrong})
