"""The bootstrap by counts against a bootstrap of the rows themselves."""

import numpy as np
import pytest

from comp.metrics.bootstrap import Estimate, GroupBootstrap, Scored, effective_groups
from comp.metrics.macro_f1 import macro_f1


def drawn(seed: int = 0, count: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, two decisions and groups of different sizes, numbered with gaps and out of order."""
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 3)) < [0.1, 0.3, 0.6]
    one, other = (labels ^ (rng.random(labels.shape) < wrong) for wrong in (0.1, 0.25))
    return labels, one, other, rng.permutation(np.repeat(np.arange(count // 4), 4) ** 2)


def test_each_resample_is_that_of_the_groups_rows() -> None:
    labels, decisions, _, groups = drawn()
    names = np.unique(groups)
    bootstrap = GroupBootstrap(labels, groups, resamples=20, seed=1)
    scored = bootstrap.score(decisions)
    rng = np.random.default_rng(1)
    for resampled in scored.resampled:
        rows = np.concatenate([np.flatnonzero(groups == names[group]) for group in rng.integers(len(names), size=len(names))])
        assert resampled == pytest.approx(macro_f1(labels[rows], decisions[rows]), abs=1e-6)
    assert scored.value == macro_f1(labels, decisions)


@pytest.mark.parametrize("rows", [1, 90, 240, 1000])
def test_a_resample_of_another_size_has_the_groups_whose_rows_come_nearest_to_it(rows: int) -> None:
    labels, decisions, _, groups = drawn()
    groups[groups == groups[0]] = groups.max()  # one group of eight rows
    names, sizes = np.unique(groups, return_counts=True)
    scored = GroupBootstrap(labels, groups, resamples=20, seed=1, rows=rows).score(decisions)
    rng = np.random.default_rng(1)
    for resampled in scored.resampled:
        chosen: list[int] = []
        left: list[int] = []
        while sum(sizes[group] for group in left) < rows:
            left += rng.integers(len(names), size=len(names)).tolist()
        for group in left:
            if chosen and abs(sum(sizes[chosen]) - rows) <= abs(sum(sizes[[*chosen, group]]) - rows):
                break
            chosen.append(group)
        found = np.concatenate([np.flatnonzero(groups == names[group]) for group in chosen])
        assert abs(len(found) - rows) <= 8
        assert resampled == pytest.approx(macro_f1(labels[found], decisions[found]), abs=1e-6)
    assert scored.value == macro_f1(labels, decisions)


def test_scores_of_small_resamples_spread_more_and_are_lower() -> None:
    labels, decisions, _, groups = drawn()
    small, same = (GroupBootstrap(labels, groups, 2000, 0, rows).score(decisions).resampled for rows in (60, 240))
    assert small.std() == pytest.approx(2 * same.std(), rel=0.2)
    assert small.mean() < same.mean()


def test_groups_in_effect() -> None:
    assert effective_groups(np.array([3, 1, 3, 1, 7, 7])) == pytest.approx(3)
    assert effective_groups(np.zeros(5, np.int64)) == 1
    assert effective_groups(np.array([0] * 8 + [1, 2])) == pytest.approx(100 / 66)


def test_recall_in_each_resample_is_that_of_the_groups_rows_and_of_the_classes_they_have() -> None:
    labels, decisions, _, groups = drawn()
    labels[:, 0], labels[:2, 0] = False, True  # in many resamples this class has no row, and one it never has
    labels, decisions = (np.column_stack([each, np.zeros(len(each), bool)]) for each in (labels, decisions))

    def slowly(rows: np.ndarray) -> float:
        recalls = [decisions[rows, column][labels[rows, column]].mean() for column in range(4) if labels[rows, column].any()]
        return float(np.mean(recalls))

    names = np.unique(groups)
    scored = GroupBootstrap(labels, groups, resamples=30, seed=1).recall(decisions)
    rng = np.random.default_rng(1)
    for resampled in scored.resampled:
        rows = np.concatenate([np.flatnonzero(groups == names[group]) for group in rng.integers(len(names), size=len(names))])
        assert resampled == pytest.approx(slowly(rows), abs=1e-6)
    assert scored.value == pytest.approx(slowly(np.arange(len(labels))))


def test_recall_without_any_positive_is_zero() -> None:
    nothing, groups = np.zeros((6, 2), bool), np.arange(6)
    scored = GroupBootstrap(nothing, groups, 10, 0).recall(~nothing)
    assert (scored.value, scored.estimate.error) == (0, 0)


def test_paired_difference_uses_the_same_resamples() -> None:
    labels, one, other, groups = drawn()
    bootstrap = GroupBootstrap(labels, groups, resamples=300, seed=0)
    first, second = bootstrap.score(one), bootstrap.score(other)
    gain = first.gain_over(second)
    assert gain.value == pytest.approx(macro_f1(labels, one) - macro_f1(labels, other))
    assert gain.error == pytest.approx(np.std(first.resampled - second.resampled))
    assert first.gain_over(first) == Estimate(0.0, 0.0)


def test_rows_of_one_group_count_as_one() -> None:
    """Ten copies of every row are no more evidence, if the copies share a group."""
    labels, decisions, _, _ = drawn()
    alone = GroupBootstrap(labels, np.arange(240), 500, 0).score(decisions).estimate.error
    copies = np.repeat(np.arange(240), 10)
    together = GroupBootstrap(labels[copies], copies, 500, 0).score(decisions[copies]).estimate.error
    assert together == pytest.approx(alone, rel=1e-5)
    apart = GroupBootstrap(labels[copies], np.arange(2400), 500, 0).score(decisions[copies]).estimate.error
    assert apart < 0.5 * alone


def test_order_of_rows_does_not_matter() -> None:
    labels, decisions, _, groups = drawn()
    mixed = np.random.default_rng(2).permutation(len(labels))
    one = GroupBootstrap(labels, groups, 50, 0).score(decisions)
    other = GroupBootstrap(labels[mixed], groups[mixed], 50, 0).score(decisions[mixed])
    assert (one.resampled == other.resampled).all()


def test_interval_is_centred_on_the_value() -> None:
    low, high = Scored(0.5, np.array([0.1, 0.2, 0.3])).estimate.interval
    assert (low + high) / 2 == pytest.approx(0.5)
    assert high - low == pytest.approx(2 * 1.96 * np.std([0.1, 0.2, 0.3]))


def test_the_width_of_the_interval_is_given_in_standard_errors() -> None:
    assert Estimate(0.5, 0.1, width=3.0).interval == pytest.approx((0.2, 0.8))
    assert Estimate(0.5, 0.1, is_score=True, width=12.7).interval == (0, 1)


def test_the_interval_of_a_score_ends_at_0_and_1_and_that_of_a_difference_does_not() -> None:
    assert Scored(0.9, np.array([0.7, 1.0, 0.4])).estimate.interval[1] == 1
    assert Scored(0.1, np.array([0.3, 0.0, 0.9])).estimate.interval[0] == 0
    low, high = Scored(0.9, np.array([0.0, 1.0])).gain_over(Scored(0.1, np.array([1.0, 0.0]))).interval
    assert low < 0 < 1 < high
    three = np.eye(3, dtype=bool)
    low, high = GroupBootstrap(three, np.arange(3), 200, 0).score(three).estimate.interval
    assert 0 <= low <= high <= 1
    assert Estimate(0.5, 0.1, is_score=True) == Estimate(0.5, 0.1)
