"""Thresholds for means over folds predict as many rows as single networks do, and stay the same if nothing differs."""

import numpy as np
import pytest

from comp.metrics.f1_search import NEVER
from comp.stacking.averaged_folds import matched


@pytest.mark.parametrize("seed", range(5))
def test_as_many_rows_are_predicted_as_single_networks_predict_on_average(seed: int) -> None:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(500, 6))
    singles = [(common + rng.normal(size=common.shape)).astype(np.float32) for _ in range(5)]
    mean = np.mean(singles, axis=0).astype(np.float32)
    thresholds = np.linspace(-1, 3, 6)
    moved = matched(thresholds, singles, mean)
    wanted = np.mean([(one >= thresholds).sum(axis=0) for one in singles], axis=0)
    assert (abs((mean >= moved).sum(axis=0) - wanted) <= 0.5).all()
    assert (abs((mean >= thresholds).sum(axis=0) - wanted) > 5).any()


def test_thresholds_stay_where_all_folds_agree_and_where_a_class_is_never_predicted() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 3)).astype(np.float32)
    thresholds = np.array([0.123, NEVER, 5.0])
    assert (matched(thresholds, [logits] * 4, logits) == thresholds).all()


def test_all_rows_and_no_row() -> None:
    mean = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    singles = [np.array([[5.0, -5.0], [5.0, -5.0]], np.float32)] * 2
    moved = matched(np.array([0.5, 0.5]), singles, mean)
    assert (mean >= moved).tolist() == [[True, False], [True, False]]


def test_half_counts_round_and_ties_go_together() -> None:
    mean = np.array([[1.0], [1.0], [0.0], [-1.0]], np.float32)
    singles = [mean, mean + np.float32([[0.0], [0.0], [2.0], [2.0]])]
    moved = matched(np.array([0.5]), singles, mean)  # 2 and 4 rows: 3 on average
    assert (mean >= moved)[:, 0].tolist() == [True, True, True, False]
    lonely = matched(np.array([0.5]), [mean, mean - np.float32([[1.0], [1.0], [0.0], [0.0]])], mean)  # 2 and 0: 1, but two tie
    assert (mean >= lonely)[:, 0].tolist() == [True, True, False, False]
