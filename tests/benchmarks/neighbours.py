"""The search for neighbours, with and without faiss, against the plain matrix product it needs, at the size of the HPA competition."""

import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np

from comp.neighbours.nearest import FAISS, Floats, nearest
from tests.benchmarks.inputs import ROWS
from tests.benchmarks.paired import Ratio, alternate, timed
from tests.benchmarks.results import Result, at_least

SIZE = 512
COUNT = 10  # neighbours
BATCHES = 8  # of queries, one per round
BLOCK = 1024  # queries per matrix product
GIB = 2**30


def measure(folder: Path, rows: int = ROWS) -> list[Result]:
    """The seconds for each batch of queries, and the memory for all of them in a fresh process."""
    queries, candidates = synthetic_embeddings(rows, 0), synthetic_embeddings(rows, 1)
    batches = np.array_split(queries, BATCHES)
    ids = [f"{row:06d}" for row in range(rows)]
    memory = np.empty((BLOCK, rows), np.float32)

    def product(batch: Floats) -> None:
        for start in range(0, len(batch), BLOCK):
            block = batch[start : start + BLOCK]
            np.matmul(block, candidates.T, out=memory[: len(block)])

    def search(by_faiss: bool) -> Callable[[Floats], object]:
        return lambda batch: nearest(batch, candidates, ids, COUNT, by_faiss=by_faiss)

    def over_batches(work: Callable[[Floats], object]) -> Callable[[], object]:
        turns = cycle(batches)
        return lambda: work(next(turns))

    searches = {"without faiss": search(False)} | ({"with faiss": search(True)} if FAISS else {})
    sides = {name: timed(over_batches(work)) for name, work in {**searches, "product": product, "product again": product}.items()}
    seconds = alternate(sides, BATCHES, "neighbours")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        peak = fresh.submit(peak_of_search, rows).result()
    name = f"{COUNT} neighbours of {rows:,} among {rows:,} x {SIZE}"
    control = Ratio.of(seconds["product"], seconds["product again"])
    results = []
    for kind in searches:
        note = f"{BATCHES * np.median(seconds[kind]):.0f} and {BATCHES * np.median(seconds['product']):.0f} s for all, on one core"
        ratio = Ratio.of(seconds["product"], seconds[kind])
        results.append(at_least(0.7, f"{name} {kind}, speed: search / matrix product", ratio, control, note))
    return [
        *results,
        Result(f"{name}, memory", f"{peak / GIB:.2f} GiB", "", "< 1 GiB", peak < GIB, "of the whole process, vectors included"),
    ]


def peak_of_search(rows: int) -> int:
    """The peak memory of this process, in bytes."""
    nearest(synthetic_embeddings(rows, 0), synthetic_embeddings(rows, 1), [f"{row:06d}" for row in range(rows)], COUNT)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def synthetic_embeddings(rows: int, seed: int) -> Floats:
    """Vectors (rows, SIZE) of length 1 around 5,000 centres, one per antibody, which are the same for every seed."""
    centres = np.random.default_rng(0).standard_normal((5000, SIZE), np.float32)
    generator = np.random.default_rng([1, seed])
    vectors = centres[generator.integers(len(centres), size=rows)] + generator.standard_normal((rows, SIZE), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
