"""Rows stay together, hide what they must, and do not depend on the order of the models."""

import numpy as np
import pytest

from comp.metrics import logit, sigmoid
from comp.rows import Rows


def some_rows(models: tuple[str, ...] = ("a", "b"), count: int = 6) -> Rows:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(len(models), count, 4)).astype(np.float32)
    labels = rng.random((count, 4)) < 0.5
    return Rows(logits, models, np.arange(count, dtype=np.int8) % 3, np.arange(count) // 2, labels)


def test_models_stand_in_the_order_of_their_names() -> None:
    rows = some_rows()
    turned = Rows(rows.logits[::-1], ("b", "a"), rows.folds, rows.groups, rows.labels)
    assert turned.models == ("a", "b")
    assert (turned.logits == rows.logits).all()


def test_take_keeps_every_array_together() -> None:
    rows = some_rows()
    taken = rows.take(rows.folds == 1)
    assert len(taken) == 2
    assert (taken.logits == rows.logits[:, [1, 4]]).all()
    assert (taken.labels == rows.known_labels[[1, 4]]).all()
    assert taken.groups.tolist() == [0, 2]


def test_unlabelled_rows_show_no_labels() -> None:
    with pytest.raises(ValueError, match="no labels"):
        _ = some_rows().unlabelled().known_labels
    assert some_rows().unlabelled().take(np.array([0])).labels is None


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        some_rows().labels = None  # type: ignore[misc]


@pytest.mark.parametrize("change", [{"folds": np.zeros(5, np.int8)}, {"groups": np.zeros(7, int)}, {"labels": np.zeros((6, 3), bool)}])
def test_arrays_that_do_not_fit_are_refused(change: dict) -> None:
    rows = some_rows()
    given = {"folds": rows.folds, "groups": rows.groups, "labels": rows.labels} | change
    with pytest.raises(ValueError, match=next(iter(change))):
        Rows(rows.logits, rows.models, **given)


def test_repeated_model_names_are_refused() -> None:
    with pytest.raises(ValueError, match="repeat"):
        some_rows(("a", "a"))


def test_mean_probability_is_the_mean_of_probabilities() -> None:
    rows = some_rows(("a", "b", "c"))
    probs = sigmoid(rows.logits.astype(np.float64))
    assert np.allclose(rows.mean_probability({"a": 0.25, "c": 0.75}), logit(0.25 * probs[0] + 0.75 * probs[2]), atol=1e-12)


@pytest.mark.parametrize("value", [-800.0, -30.0, 0.0, 30.0, 90.0])
def test_mean_probability_keeps_extreme_logits(value: float) -> None:
    logits = np.full((2, 1, 1), value, np.float32)
    rows = Rows(logits, ("a", "b"), np.zeros(1, np.int8), np.zeros(1, int))
    assert rows.mean_probability({"a": 0.5, "b": 0.5})[0, 0] == pytest.approx(max(value, np.log(np.finfo(float).tiny)), abs=1e-6)
