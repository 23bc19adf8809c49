"""Each blender against a slow obvious version, and all of them under what must not matter."""

import numpy as np
import pytest

from comp import parts
from comp.metrics import sigmoid
from comp.rows import Rows


def drawn(seed: int = 0, count: int = 300, models: int = 4, positives: tuple[float, ...] = (0.02, 0.1, 0.3, 0.7)) -> Rows:
    """Models of different skill, one of them a coin."""
    rng = np.random.default_rng(seed)
    labels = rng.random((count, len(positives))) < positives
    skill = np.linspace(2, 0, models)[:, None, None]
    logits = (skill * labels + rng.normal(size=(models, count, len(positives))) - 1).astype(np.float32)
    return Rows(logits, tuple("abcdefgh"[:models]), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)


def best_macro_f1(scores: np.ndarray, labels: np.ndarray) -> float:
    """Macro F1 at the best cut of each class, by trying them all."""

    def f1(has: np.ndarray, said: np.ndarray) -> float:
        return 2 * (has & said).sum() / (has.sum() + said.sum())

    per_class = [max((f1(has, values >= cut) for cut in values[has]), default=0.0) for values, has in zip(scores.T, labels.T, strict=True)]
    return float(np.mean(per_class))


def test_best_single_is_the_best_of_all_by_brute_force() -> None:
    rows = drawn(count=120)
    scores = [best_macro_f1(logits, rows.known_labels) for logits in rows.logits]
    assert parts.build("blenders", {"name": "best_single"}).fit(rows) == {rows.models[int(np.argmax(scores))]: 1.0}


def test_best_single_predicts_that_models_own_logits() -> None:
    rows = drawn()
    predicted = parts.build("blenders", {"name": "best_single"}).predict({"b": 1.0}, rows)
    assert (predicted.astype(np.float32) == rows.logits[1]).all()


def test_mean_weighs_all_alike() -> None:
    rows = drawn()
    mean = parts.build("blenders", {"name": "mean"})
    assert mean.fit(rows) == dict.fromkeys("abcd", 0.25)
    probs = sigmoid(rows.logits.astype(np.float64)).mean(axis=0)
    assert np.allclose(sigmoid(mean.predict(mean.fit(rows), rows)), probs)


@pytest.mark.parametrize("seed", range(3))
def test_greedy_takes_the_steps_of_a_naive_search(seed: int) -> None:
    rows = drawn(seed, count=80, models=3)
    probs = sigmoid(rows.logits)
    chosen: list[int] = []
    best: tuple[float, list[int]] = (-1.0, [])
    for _ in range(6):
        scores = [best_macro_f1(sum((probs[number] for number in chosen), np.float32(0)) + each, rows.known_labels) for each in probs]
        chosen.append(int(np.argmax(scores)))
        if scores[chosen[-1]] > best[0] + 1e-12:
            best = (scores[chosen[-1]], chosen.copy())
    weights = {rows.models[number]: best[1].count(number) / len(best[1]) for number in set(best[1])}
    assert parts.build("blenders", {"name": "greedy", "steps": 6}).fit(rows) == pytest.approx(weights)


def test_greedy_leaves_out_a_coin_and_beats_every_member() -> None:
    rows = drawn(count=2000)
    greedy = parts.build("blenders", {"name": "greedy"})
    weights = greedy.fit(rows)
    assert weights.get("d", 0) < 0.1
    assert sum(weights.values()) == pytest.approx(1)
    blended = best_macro_f1(greedy.predict(weights, rows).astype(np.float32)[:400], rows.known_labels[:400])
    assert blended > max(best_macro_f1(logits[:400], rows.known_labels[:400]) for logits in rows.logits) - 0.02


@pytest.mark.parametrize("name", parts.names("blenders"))
class TestEveryBlender:
    """What no blender may depend on."""

    def test_order_of_rows_and_models_does_not_matter(self, name: str) -> None:
        rows = drawn()
        rng = np.random.default_rng(5)
        blender = parts.build("blenders", {"name": name})
        mixed, models = rng.permutation(len(rows)), rng.permutation(4)
        other = Rows(rows.logits[models], tuple(rows.models[m] for m in models), rows.folds, rows.groups, rows.labels).take(mixed)
        assert blender.fit(rows) == blender.fit(other)
        assert (blender.predict(blender.fit(rows), rows)[mixed] == blender.predict(blender.fit(other), other)).all()

    def test_each_row_is_predicted_by_itself(self, name: str) -> None:
        rows = drawn()
        blender = parts.build("blenders", {"name": name})
        state = blender.fit(rows)
        whole = blender.predict(state, rows.unlabelled())
        assert whole.shape == (300, 4)
        assert (np.vstack([blender.predict(state, rows.take(np.array([row]))) for row in range(20)]) == whole[:20]).all()

    def test_absent_full_and_tied_classes_and_extreme_logits(self, name: str) -> None:
        rows = drawn()
        labels = rows.known_labels.copy()
        labels[:, 0], labels[:, 1] = False, True
        logits = np.sign(rows.logits) * 16
        blender = parts.build("blenders", {"name": name})
        hard = Rows(logits, rows.models, rows.folds, rows.groups, labels)
        assert np.isfinite(blender.predict(blender.fit(hard), hard)).all()

    def test_a_single_model_passes_through(self, name: str) -> None:
        rows = drawn(models=1)
        blender = parts.build("blenders", {"name": name})
        assert (blender.predict(blender.fit(rows), rows).astype(np.float32) == rows.logits[0]).all()
