from functools import partial

import numpy as np
import pytest

from comp.base.errors import PredictionError
from comp.neighbours import nearest as search


def unit(count: int, seed: int, size: int = 24) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def slowly(queries, candidates, ids, k):
    """Every pair by itself in float64; the smaller id first among equals."""
    places, similarity = [], []
    for query in queries.astype(np.float64):
        each = [float((query * candidate).sum()) for candidate in candidates.astype(np.float64)]
        best = sorted(range(len(each)), key=lambda row: (-each[row], ids[row]))[:k]
        places.append(best)
        similarity.append([each[row] for row in best])
    return np.array(places), np.array(similarity)


@pytest.fixture(params=["faiss", "products"])
def nearest(request):
    """The tests run with faiss and without."""
    if request.param == "faiss":
        pytest.importorskip("faiss", reason="faiss is not installed: .venv/bin/python -m pip install -e '.[faiss]'")
    return partial(search.nearest, by_faiss=request.param == "faiss")


@pytest.fixture
def small_blocks(monkeypatch):
    for name, value in {"QUERIES": 7, "CANDIDATES": 16, "FIRST": 5}.items():
        monkeypatch.setattr(search, name, value)


@pytest.mark.parametrize("k", [1, 3, 5, 6, 40, 97])
@pytest.mark.usefixtures("small_blocks")
def test_the_nearest_are_those_of_a_plain_loop(nearest, k):
    queries, candidates = unit(20, 0), unit(97, 1)
    candidates[40:60] = candidates[10:30]  # exact copies
    candidates[60:70] = candidates[10:20] * np.float32(1 + 2**-20)  # almost copies
    ids = [f"{number:02d}" for number in np.random.default_rng(2).permutation(97)]
    found = nearest(queries, candidates, ids, k)
    places, similarity = slowly(queries, candidates, ids, k)
    np.testing.assert_array_equal(found.places, places)
    np.testing.assert_allclose(found.similarity, similarity, rtol=0, atol=1e-15)


def test_block_sizes_and_the_order_of_rows_change_no_bit(nearest, monkeypatch):
    queries, candidates = unit(50, 3), unit(300, 4)
    candidates[100:200] = candidates[:100]
    ids = np.array([f"{number:03d}" for number in range(300)])
    expected = nearest(queries, candidates, ids.tolist(), 8)
    for block, first, seed in ((3, 2, 5), (64, 300, 6), (1, 1, 7)):
        for name, value in {"QUERIES": block, "CANDIDATES": block, "FIRST": first}.items():
            monkeypatch.setattr(search, name, value)
        generator = np.random.default_rng(seed)
        rows, columns = generator.permutation(50), generator.permutation(300)
        found = nearest(queries[rows], candidates[columns], ids[columns].tolist(), 8)
        np.testing.assert_array_equal(ids[columns][found.places], ids[expected.places][rows])
        assert found.similarity.tobytes() == expected.similarity[rows].tobytes()


def test_rounding_in_float32_hides_no_neighbour(nearest):
    """The order of the candidates by float32 products with the query is wrong."""
    base = unit(1, 8, size=512)[0]
    candidates = np.stack([base + np.float32(2e-7) * step for step in unit(400, 9, size=512)])
    ids = [f"{number:03d}" for number in range(400)]
    exact = (base.astype(np.float64) * candidates.astype(np.float64)).sum(axis=1)
    rounded = candidates @ base
    assert set(np.argsort(-rounded, kind="stable")[:5]) != set(np.argsort(-exact, kind="stable")[:5])
    np.testing.assert_array_equal(nearest(base[None], candidates, ids, 5).places[0], np.argsort(-exact, kind="stable")[:5])


@pytest.mark.parametrize("equal", [1, 9, 12, 60])
def test_ids_decide_between_more_equal_candidates_than_faiss_returns(nearest, equal):
    queries, candidates = unit(30, 10), unit(200, 11)
    candidates[50 : 50 + equal] = queries[0]  # the nearest of the first query: those with the smallest ids win
    ids = [f"{number:03d}" for number in np.random.default_rng(12).permutation(200)]
    found = nearest(queries, candidates, ids, 4)
    np.testing.assert_array_equal(found.places, slowly(queries, candidates, ids, 4)[0])


def test_faiss_and_products_give_the_same_bytes():
    pytest.importorskip("faiss", reason="faiss is not installed: .venv/bin/python -m pip install -e '.[faiss]'")
    queries, candidates = unit(70, 13, size=256), unit(900, 14, size=256)
    candidates[300:600] = candidates[:300]
    ids = [f"{number:03d}" for number in range(900)]
    one, other = (search.nearest(queries, candidates, ids, 10, by_faiss=by_faiss) for by_faiss in (True, False))
    assert one.places.tobytes() == other.places.tobytes()
    assert one.similarity.tobytes() == other.similarity.tobytes()


def test_fewer_candidates_than_asked_for_are_all_neighbours(nearest):
    assert nearest(unit(4, 0), unit(3, 1), ["a", "b", "c"], 10).places.shape == (4, 3)


def test_no_query_and_no_candidate(nearest):
    assert nearest(np.empty((0, 24), np.float32), unit(3, 1), ["a", "b", "c"], 2).places.shape == (0, 2)
    with pytest.raises(PredictionError, match="there is no image to be a neighbour"):
        nearest(unit(4, 0), np.empty((0, 24), np.float32), [], 2)
