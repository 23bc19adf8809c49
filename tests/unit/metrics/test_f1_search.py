"""The exact search against brute force over every threshold, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve

from comp.metrics.f1_search import NEVER, best_candidate, best_f1, best_thresholds, class_major, positive_rows


def brute_force(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """The best F1 of one class over all thresholds, by scikit-learn."""
    return max(f1_score(is_positive, scores >= threshold, zero_division=0) for threshold in np.unique(scores))


@pytest.mark.parametrize("seed", range(30))
def test_search_finds_what_brute_force_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    is_positive = rng.random(count) < rng.choice([0.05, 0.3, 0.9])
    scores = rng.normal(size=count) + rng.choice([0, 2]) * is_positive
    if seed % 2:
        scores = scores.round()  # many ties
    scores = scores.astype(np.float32)
    thresholds = best_thresholds(scores[:, None], is_positive[:, None])
    _, found = best_candidate(scores, np.sort(scores[is_positive]))
    if is_positive.any():
        assert found == pytest.approx(brute_force(scores, is_positive))
        assert f1_score(is_positive, scores >= thresholds[0]) == pytest.approx(found)
    else:
        assert (found, thresholds[0]) == (0, NEVER)


def test_a_poor_ranking_needs_the_second_look_and_gets_it() -> None:
    """If the best threshold lies below nine tenths of the positives, the first look cannot find it."""
    is_positive = np.array([False] * 30 + [True] * 20)
    scores = np.r_[np.linspace(5, 6, 30), np.full(18, 9.0), 1.0, 0.5].astype(np.float32)
    inverted = -scores
    for values in (scores, inverted):
        assert best_candidate(values, np.sort(values[is_positive]))[1] == pytest.approx(brute_force(values, is_positive))


def test_the_threshold_lies_halfway_to_the_next_lower_score() -> None:
    scores = np.array([0.0, 1.0, 3.0, 4.0], np.float32)
    assert best_thresholds(scores[:, None], np.array([[False], [False], [True], [True]]))[0] == 2.0


def test_classes_with_no_and_with_only_positives() -> None:
    scores = np.array([[0.5, -1.0], [0.2, 3.0]], np.float32)
    thresholds = best_thresholds(scores, np.array([[False, True], [False, True]]))
    assert thresholds[0] == NEVER
    assert thresholds[1] == -2.0  # one logit below the lowest: all rows are predicted


def test_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((500, 4)) < [0.01, 0.1, 0.5, 0.9]
    scores = (rng.normal(size=(500, 4)) + labels).astype(np.float32)
    order = rng.permutation(500)
    assert (best_thresholds(scores, labels) == best_thresholds(scores[order], labels[order])).all()


def test_agrees_with_precision_recall_curve_on_many_rows() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((5000, 5)) < [0.002, 0.01, 0.1, 0.4, 0.7]
    scores = (rng.normal(size=(5000, 5)) + 1.5 * labels).astype(np.float32)
    found = best_f1(class_major(scores), positive_rows(labels))
    for column in range(5):
        precision, recall, _ = precision_recall_curve(labels[:, column], scores[:, column])
        assert found[column] == pytest.approx((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())
