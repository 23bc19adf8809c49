"""Nearest neighbours by inner product: exact, and the same bits whatever the batch sizes and the order of the rows.

A search in float32, by faiss where it is installed and by blocked matrix products elsewhere, picks the pairs that may be among the
k largest, with room for its rounding; these are computed again in float64, one after another, and ordered: the largest first, among
equals the smaller id.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from comp.errors import PredictionError

QUERIES, CANDIDATES = 1024, 4096  # of a block; its product takes 16 MiB
FIRST = 1024  # candidates that give the first bound
UNIT = 2.0**-24  # rounding error of float32
FAISS = find_spec("faiss") is not None
SPARE = 16  # candidates that faiss is asked for beyond k, so that the last one is seldom as near as the k-th, rounding allowed for

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

    def without(self, own: Ints) -> "Nearest":
        """One neighbour less for each query: itself, place `own` (Q,) of the candidates, where it is among them, else the farthest."""
        kept = self.places != own[:, None]
        kept[kept.all(axis=1), -1] = False
        return Nearest(*(values[kept].reshape(len(own), -1) for values in (self.places, self.similarity)))


def nearest(queries: Floats, candidates: Floats, ids: Sequence[str], k: int, *, by_faiss: bool = FAISS) -> Nearest:
    """The `k` candidates of largest inner product with each query; all of them where there are fewer.

    Args:
        queries: (Q, D), finite.
        candidates: (N, D), finite.
        ids: of the candidates, which decide between equal ones.
        by_faiss: who finds the candidates; the answer is the same.

    Raises:
        PredictionError: there is no candidate.
    """
    if not len(candidates):
        raise PredictionError("there is no image to be a neighbour", "a fold map needs images in two folds at least")
    by_id = np.argsort(np.asarray(ids, str), kind="stable")
    ordered = np.ascontiguousarray(candidates[by_id], np.float32)
    k = min(k, len(ordered))
    longest = float(np.sqrt(np.einsum("nd,nd->n", ordered, ordered, dtype=np.float64).max()))
    memory = np.empty(QUERIES * max(FIRST, CANDIDATES), np.float32)  # of all products: to take it anew for each costs time
    places, similarity = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    for start in range(0, len(queries), QUERIES):
        block = np.ascontiguousarray(queries[start : start + QUERIES], np.float32)
        query, place = (_by_faiss if by_faiss else _by_products)(block, ordered, k, _room(block, longest), memory)
        exact = _exact(block, ordered, query, place)
        best = np.lexsort((place, -exact, query))
        best = best[_first_of_each(query[best], len(block), k)]
        places[start : start + QUERIES] = by_id[place[best]].reshape(-1, k)
        similarity[start : start + QUERIES] = exact[best].reshape(-1, k)
    return Nearest(places, similarity)


def _room(queries: Floats, longest: float) -> Floats:
    """(Q,) how much two inner products of a query may change places by rounding to float32, in whatever order they are summed.

    The error of one is at most n u / (1 - n u) times the inner product of the absolute values (Higham 2002, section 3.1), which is
    at most the product of the norms.

    Args:
        longest: the largest norm of a candidate.
    """
    terms = (queries.shape[1] + 2) * UNIT
    return (2 * terms / (1 - terms) * longest * np.sqrt((queries.astype(np.float64) ** 2).sum(axis=1))).astype(np.float32)


def _by_products(queries: Floats, candidates: Floats, k: int, room: Floats, memory: Floats) -> tuple[Ints, Ints]:
    """Pairs (query, candidate) that hold the k nearest of each query for certain, by matrix products of blocks.

    Each block raises the bound for the next.
    """
    query, place, value = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    bound = np.full(len(queries), -np.inf, np.float32)
    for start, product in _products(queries, candidates, memory):
        if start == 0 and product.shape[1] > k:
            bound = np.partition(product, -k, axis=1)[:, -k] - room
        row, column = np.divmod(np.flatnonzero(product >= bound[:, None]), product.shape[1])
        query, place = np.r_[query, row], np.r_[place, column + start]
        value = np.r_[value, product[row, column]]
        order = np.lexsort((-value, query))
        query, place, value = query[order], place[order], value[order]
        if start + product.shape[1] >= k:
            bound = value[_first_of_each(query, len(queries), k)][k - 1 :: k] - room
        kept = value >= bound[query]
        query, place, value = query[kept], place[kept], value[kept]
    return query, place


def _by_faiss(queries: Floats, candidates: Floats, k: int, room: Floats, memory: Floats) -> tuple[Ints, Ints]:
    """The same by faiss, where its last value is farther below the k-th than rounding reaches: nothing beyond it belongs to them."""
    import faiss

    count = min(k + SPARE, len(candidates))
    value, place = faiss.knn(queries, candidates, count, metric=faiss.METRIC_INNER_PRODUCT)
    near = value >= (value[:, k - 1] - room)[:, None]
    unsure = np.flatnonzero(near[:, -1] & (count < len(candidates)))
    near[unsure] = False
    query, other = _by_products(queries[unsure], candidates, k, room[unsure], memory)
    return np.r_[np.nonzero(near)[0], unsure[query]], np.r_[place[near], other]


def _products(queries: Floats, candidates: Floats, memory: Floats) -> Iterator[tuple[int, Floats]]:
    """The first row of each block of candidates, with its product; the first block is small. Each takes the place of the last."""
    start = 0
    while start < len(candidates):
        block = candidates[start : start + (CANDIDATES if start else FIRST)]
        yield start, np.matmul(queries, block.T, out=memory[: len(queries) * len(block)].reshape(len(queries), len(block)))
        start += len(block)


def _exact(queries: Floats, candidates: Floats, query: Ints, place: Ints) -> NDArray[np.float64]:
    """(P,) inner products of pairs: each is summed by itself, so that it is the same in any company."""
    found = np.empty(len(query))
    for start in range(0, len(query), QUERIES):
        some = slice(start, start + QUERIES)
        found[some] = np.multiply(queries[query[some]], candidates[place[some]], dtype=np.float64).sum(axis=1)
    return found


def _first_of_each(query: Ints, queries: int, k: int) -> Ints:
    """The places of the first k pairs of each query, in pairs ordered by query that hold at least k of each."""
    return (np.searchsorted(query, np.arange(queries))[:, None] + np.arange(k)).ravel()
