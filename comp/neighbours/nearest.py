"""Exact nearest neighbours by inner product. The result is bit-identical for all batch sizes and all orders of the rows.

A search in float32 finds all pairs that may be among the k largest, with a tolerance for rounding. It uses faiss where it is installed,
else blocked matrix products. The pairs it finds are computed again in float64, one by one. They are sorted by similarity, the largest
first; among equals the smaller id comes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError

QUERIES, CANDIDATES = 1024, 4096  # rows of a block; the product of two blocks takes 16 MiB
FIRST = 1024  # candidates in the first block, which gives the first bound
UNIT = 2.0**-24  # rounding error of float32
FAISS = find_spec("faiss") is not None
EXTRA = 16  # candidates that faiss returns beyond k; the last one is then seldom within the tolerance of the k-th

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Nearest:
    """The k nearest candidates of each of Q queries, the nearest first.

    Attributes:
        places: (Q, k) int64, rows of the candidates.
        similarity: (Q, k) float64, inner products.
    """

    places: Ints
    similarity: NDArray[np.float64]

    def without_self(self, own: Ints) -> "Nearest":
        """One neighbour less for each query: the query itself, or the farthest neighbour if the query is not among them.

        Args:
            own: (Q,) the row of each query among the candidates.
        """
        kept = self.places != own[:, None]
        kept[kept.all(axis=1), -1] = False
        return Nearest(*(values[kept].reshape(len(own), -1) for values in (self.places, self.similarity)))


def nearest(queries: Floats, candidates: Floats, ids: Sequence[str], k: int, *, by_faiss: bool = FAISS) -> Nearest:
    """The `k` candidates with the largest inner product with each query; all candidates if there are fewer.

    Args:
        queries: (Q, D), finite.
        candidates: (N, D), finite.
        ids: (N,) ids of the candidates; they decide between equally near ones.
        by_faiss: whether faiss does the first search; the result is the same.

    Raises:
        PredictionError: there is no candidate.
    """
    if not len(candidates):
        raise PredictionError("there is no image to be a neighbour", "make a fold map with images in at least two folds")
    by_id = np.argsort(np.asarray(ids, str), kind="stable")
    ordered = np.ascontiguousarray(candidates[by_id], np.float32)
    k = min(k, len(ordered))
    longest = float(np.sqrt(np.einsum("nd,nd->n", ordered, ordered, dtype=np.float64).max()))
    memory = np.empty(QUERIES * max(FIRST, CANDIDATES), np.float32)  # shared by all products: allocating it each time is slow
    places, similarity = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    for start in range(0, len(queries), QUERIES):
        block = np.ascontiguousarray(queries[start : start + QUERIES], np.float32)
        query, place = (_pairs_by_faiss if by_faiss else _pairs_by_products)(block, ordered, k, _tolerance(block, longest), memory)
        exact = _exact(block, ordered, query, place)
        best = np.lexsort((place, -exact, query))
        best = best[_first_of_each(query[best], len(block), k)]
        places[start : start + QUERIES] = by_id[place[best]].reshape(-1, k)
        similarity[start : start + QUERIES] = exact[best].reshape(-1, k)
    return Nearest(places, similarity)


def _tolerance(queries: Floats, longest: float) -> Floats:
    """(Q,) the largest difference of two float32 inner products of a query at which rounding can have swapped their order.

    It holds for any order of summation. The error of one inner product is at most n u / (1 - n u) times the inner product of the absolute
    values (Higham 2002, section 3.1), which is at most the product of the norms.

    Args:
        longest: the largest norm of a candidate.
    """
    terms = (queries.shape[1] + 2) * UNIT
    return (2 * terms / (1 - terms) * longest * np.sqrt((queries.astype(np.float64) ** 2).sum(axis=1))).astype(np.float32)


def _pairs_by_products(queries: Floats, candidates: Floats, k: int, tolerance: Floats, memory: Floats) -> tuple[Ints, Ints]:
    """Pairs (query, candidate) that are sure to contain the k nearest of each query, by matrix products of blocks.

    Each block raises the bound for the next one.
    """
    query, place, value = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    bound = np.full(len(queries), -np.inf, np.float32)
    for start, product in _products(queries, candidates, memory):
        if start == 0 and product.shape[1] > k:
            bound = np.partition(product, -k, axis=1)[:, -k] - tolerance
        row, column = np.divmod(np.flatnonzero(product >= bound[:, None]), product.shape[1])
        query, place = np.r_[query, row], np.r_[place, column + start]
        value = np.r_[value, product[row, column]]
        order = np.lexsort((-value, query))
        query, place, value = query[order], place[order], value[order]
        if start + product.shape[1] >= k:
            bound = value[_first_of_each(query, len(queries), k)][k - 1 :: k] - tolerance
        kept = value >= bound[query]
        query, place, value = query[kept], place[kept], value[kept]
    return query, place


def _pairs_by_faiss(queries: Floats, candidates: Floats, k: int, tolerance: Floats, memory: Floats) -> tuple[Ints, Ints]:
    """The same pairs by faiss. If its last candidate is within the tolerance of the k-th, others may be too: such queries use products."""
    import faiss

    count = min(k + EXTRA, len(candidates))
    value, place = faiss.knn(queries, candidates, count, metric=faiss.METRIC_INNER_PRODUCT)
    near = value >= (value[:, k - 1] - tolerance)[:, None]
    unsure = np.flatnonzero(near[:, -1] & (count < len(candidates)))
    near[unsure] = False
    query, other = _pairs_by_products(queries[unsure], candidates, k, tolerance[unsure], memory)
    return np.r_[np.nonzero(near)[0], unsure[query]], np.r_[place[near], other]


def _products(queries: Floats, candidates: Floats, memory: Floats) -> Iterator[tuple[int, Floats]]:
    """The first row of each block of candidates, and the block's product. The first block is small. Each product overwrites the last."""
    start = 0
    while start < len(candidates):
        block = candidates[start : start + (CANDIDATES if start else FIRST)]
        yield start, np.matmul(queries, block.T, out=memory[: len(queries) * len(block)].reshape(len(queries), len(block)))
        start += len(block)


def _exact(queries: Floats, candidates: Floats, query: Ints, place: Ints) -> NDArray[np.float64]:
    """(P,) inner products of P pairs in float64. Each is summed by itself, so that it does not depend on the other pairs."""
    found = np.empty(len(query))
    for start in range(0, len(query), QUERIES):
        some = slice(start, start + QUERIES)
        found[some] = np.multiply(queries[query[some]], candidates[place[some]], dtype=np.float64).sum(axis=1)
    return found


def _first_of_each(query: Ints, queries: int, k: int) -> Ints:
    """The positions of the first k pairs of each query, among pairs sorted by query with at least k of each."""
    return (np.searchsorted(query, np.arange(queries))[:, None] + np.arange(k)).ravel()
