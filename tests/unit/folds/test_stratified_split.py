"""The stratified split against brute force, and its guarantees."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from comp.folds.stratified_split import stratified_split


def cost(counts: NDArray[np.int64], bins: NDArray[np.int8], shares: NDArray[np.float64]) -> float:
    """Sum of (count - share)^2 / total, from the definition."""
    totals = counts.sum(0)
    return sum(
        (counts[bins == number, column].sum() - share * totals[column]) ** 2 / max(totals[column], 1)
        for number, share in enumerate(shares)
        for column in range(counts.shape[1])
    )


def random_units(units: int, seed: int) -> NDArray[np.int64]:
    """Five labels, from common to rare, and the number of rows."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 5, units)
    return np.c_[rng.binomial(rows[:, None], [0.6, 0.4, 0.3, 0.1, 0.0]), rows]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("of_bins", [(1 / 3, 1 / 3, 1 / 3), (0.2, 0.8)])
def test_close_to_the_best_of_all_splits(seed: int, of_bins: tuple[float, ...]) -> None:
    counts, shares = random_units(8, seed), np.array(of_bins)
    every = sorted(cost(counts, np.array(bins), shares) for bins in product(range(len(shares)), repeat=8))
    ours = cost(counts, stratified_split(counts, shares, np.random.default_rng(seed)), shares)
    assert every[0] - 1e-9 <= ours <= every[len(every) // 50]  # within the best 2 % of thousands


@pytest.mark.parametrize("seed", range(5))
def test_no_single_move_or_swap_is_better(seed: int) -> None:
    counts, shares = random_units(40, seed), np.full(4, 0.25)
    bins = stratified_split(counts, shares, np.random.default_rng(seed))
    reached = cost(counts, bins, shares)
    for unit, target in product(range(40), range(4)):
        moved = bins.copy()
        moved[unit] = target
        assert cost(counts, moved, shares) > reached - 1e-6
    for one, other in product(range(40), repeat=2):
        swapped = bins.copy()
        swapped[[one, other]] = bins[[other, one]]
        assert cost(counts, swapped, shares) > reached - 1e-6


@pytest.mark.parametrize("units", [5, 6, 9, 200])
def test_no_bin_is_empty(units: int) -> None:
    for seed in range(20):
        counts = random_units(units, seed)
        counts[0] *= 1000
        assert len(set(stratified_split(counts, np.full(5, 0.2), np.random.default_rng(seed)))) == 5


def test_equal_units_are_spread_evenly() -> None:
    bins = stratified_split(np.tile([[1, 0, 2]], (103, 1)), np.full(4, 0.25), np.random.default_rng(0))
    assert sorted(np.bincount(bins)) == [25, 26, 26, 26]
    assert bins.dtype == np.int8
    other = stratified_split(np.tile([[1, 0, 2]], (103, 1)), np.full(4, 0.25), np.random.default_rng(1))
    assert (bins != other).any()
