"""Stratified split: put units that carry many labels into bins, so that every bin gets its share of every label.

One cost guides all steps: the sum over bins and columns of (count - share)^2 / total of the column, so that an image of a rare
class counts more than one of a common class. Equal units are distributed in bulk. The rest follow one by one, the costliest first
(as in Sechidis et al. 2011, "On the stratification of multi-label data"). Then single moves and swaps lower the cost while they can.
"""

import numpy as np
from numpy.typing import NDArray

SWAP_CANDIDATES = 64  # units of either bin considered for a swap: those with the largest gain when moved alone
MAX_STEPS = 10_000
LEAST_GAIN = 1e-9


def stratified_split(counts: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """The bin of each unit.

    With equal shares and at least as many units as bins, no bin stays empty: an empty bin costs least for every unit, and
    taking the last unit out of a bin never lowers the cost.

    Args:
        counts: (U, D) images of each label in each unit, and in the last column its number of images (at least 1).
        shares: (K,) the share of everything that each bin should get; sums to 1.
    """
    kinds, kind_of, multiplicity = _kinds(counts)
    table = _Table(kinds, multiplicity, shares, rng)
    table.refine()
    # The units of a kind get its places in random order.
    order = np.lexsort((rng.random(len(counts)), kind_of))
    bins = np.empty(len(counts), np.int8)
    bins[order] = np.repeat(np.tile(np.arange(len(shares)), len(kinds)), table.placed.ravel())
    return bins


def _kinds(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Kinds of units: distinct rows of `counts` (T, D), the kind of each unit (U,), and how many units each kind has (T,).

    Rows are compared by a random 64-bit key, which is 100 times faster than `np.unique(axis=0)`. Two different rows with one key
    (probability 1e-10 at 31,072 units) would only cost some balance.
    """
    factors = np.random.default_rng(0).integers(1 << 62, size=counts.shape[1], dtype=np.int64)
    _, first, kind_of, multiplicity = np.unique(counts @ factors, return_index=True, return_inverse=True, return_counts=True)
    return counts[first].astype(float), kind_of, multiplicity


class _Table:
    """How many units of each kind are in each bin, and the terms of the cost.

    Attributes:
        placed: (T, K) units of a kind in a bin.
        excess: (K, D) count minus share.
        slope: (T, K) half the derivative of the cost when a unit of that kind is added to that bin.
        own: (T,) the cost of one unit alone, its weighted square.
    """

    def __init__(
        self, kinds: NDArray[np.float64], multiplicity: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator
    ) -> None:
        totals = multiplicity @ kinds
        self.kinds = kinds
        self.weighted = kinds / np.maximum(totals, 1)
        self.own = (kinds * self.weighted).sum(1)
        self.placed = np.floor(multiplicity[:, None] * shares + 1e-9).astype(np.int64)
        self.excess = self.placed.T @ kinds - shares[:, None] * totals
        self._place_rest(multiplicity - self.placed.sum(1), rng)
        self.slope = self.weighted @ self.excess.T

    def _place_rest(self, rest: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Put the remaining units (T,) of each kind where they cost least, the costliest kinds first; ties are broken at random."""
        queue = rng.permutation(np.repeat(np.arange(len(rest)), rest))
        queue = queue[np.argsort(-self.own[queue], kind="stable")]
        tie_breaks = LEAST_GAIN * rng.random((len(queue), len(self.excess)))
        for kind, tie_break in zip(queue, tie_breaks, strict=True):
            target = (self.excess @ self.weighted[kind] + tie_break).argmin()
            self.placed[kind, target] += 1
            self.excess[target] += self.kinds[kind]

    def refine(self) -> None:
        """Move single units, or swap two where no move helps, until neither lowers the cost."""
        for _ in range(MAX_STEPS):
            if not (self._move() or self._swap()):
                return

    def _move(self) -> bool:
        """Make the move that lowers the cost most; False if none does."""
        source_slope = np.where(self.placed > 0, self.slope, -np.inf)
        gain = source_slope.max(1) - self.slope.min(1) - self.own
        kind = int(gain.argmax())
        if gain[kind] <= LEAST_GAIN:
            return False
        self._shift(kind, None, int(source_slope[kind].argmax()), int(self.slope[kind].argmin()))
        return True

    def _swap(self) -> bool:
        """Make the best swap among those units of any two bins that gain most when moved alone; False if none lowers the cost."""
        best_gain, best = LEAST_GAIN, None
        for target in range(len(self.excess)):
            for source in range(target):
                there = self.slope[:, source] - self.slope[:, target]
                leaving = np.where(self.placed[:, source] > 0, there - self.own, -np.inf)
                coming = np.where(self.placed[:, target] > 0, -there - self.own, -np.inf)
                out, back = _largest(leaving), _largest(coming)
                gain = leaving[out, None] + coming[back] + 2 * self.weighted[out] @ self.kinds[back].T
                i, j = divmod(int(gain.argmax()), len(back))
                if gain[i, j] > best_gain:
                    best_gain, best = float(gain[i, j]), (int(out[i]), int(back[j]), source, target)
        if best is None:
            return False
        self._shift(*best)
        return True

    def _shift(self, kind: int, back: int | None, source: int, target: int) -> None:
        """Move a unit of `kind` from `source` to `target`, and one of kind `back` the other way."""
        moved = self.kinds[kind].copy()
        self.placed[kind, [source, target]] += -1, 1
        if back is not None:
            moved -= self.kinds[back]
            self.placed[back, [source, target]] += 1, -1
        self.excess[source] -= moved
        self.excess[target] += moved
        change = self.weighted @ moved
        self.slope[:, source] -= change
        self.slope[:, target] += change


def _largest(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the largest `SWAP_CANDIDATES` values, in no order."""
    if len(values) <= SWAP_CANDIDATES:
        return np.arange(len(values))
    return np.argpartition(-values, SWAP_CANDIDATES)[:SWAP_CANDIDATES]
