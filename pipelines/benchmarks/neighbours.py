"""The search for neighbours, with faiss and without, against the plain matrix product that it needs, at the size of the competition."""

import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np

from comp.neighbours import FAISS, Floats, nearest
from pipelines.benchmarks.inputs import ROWS
from pipelines.benchmarks.paired import Ratio, alternate, timed
from pipelines.benchmarks.results import Result, at_least

SIZE = 512
COUNT = 10  # neighbours
PARTS = 8  # of the queries, one a round
BLOCK = 1024  # queries of a product
GIB = 2**30


def measure(folder: Path, rows: int = ROWS) -> list[Result]:
    """Seconds of each eighth of the queries, and the memory of all of them in a fresh process."""
    queries, candidates = drawn_embeddings(rows, 0), drawn_embeddings(rows, 1)
    parts = np.array_split(queries, PARTS)
    ids = [f"{row:06d}" for row in range(rows)]
    memory = np.empty((BLOCK, rows), np.float32)

    def product(part: Floats) -> None:
        for start in range(0, len(part), BLOCK):
            block = part[start : start + BLOCK]
            np.matmul(block, candidates.T, out=memory[: len(block)])

    def search(by_faiss: bool) -> Callable[[Floats], object]:
        return lambda part: nearest(part, candidates, ids, COUNT, by_faiss=by_faiss)

    def over_parts(work: Callable[[Floats], object]) -> Callable[[], object]:
        turns = cycle(parts)
        return lambda: work(next(turns))

    searches = {"without faiss": search(False)} | ({"with faiss": search(True)} if FAISS else {})
    sides = {name: timed(over_parts(work)) for name, work in {**searches, "product": product, "product again": product}.items()}
    seconds = alternate(sides, PARTS, "neighbours")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        peak = fresh.submit(peak_of_search, rows).result()
    name = f"{COUNT} neighbours of {rows:,} among {rows:,} x {SIZE}"
    control = Ratio.of(seconds["product"], seconds["product again"])
    results = []
    for kind in searches:
        note = f"{PARTS * np.median(seconds[kind]):.0f} and {PARTS * np.median(seconds['product']):.0f} s for all, on one core"
        ratio = Ratio.of(seconds["product"], seconds[kind])
        results.append(at_least(0.7, f"{name} {kind}, speed: search / matrix product", ratio, control, note))
    return [
        *results,
        Result(f"{name}, memory", f"{peak / GIB:.2f} GiB", "", "< 1 GiB", peak < GIB, "of the whole process, vectors included"),
    ]


def peak_of_search(rows: int) -> int:
    """The most memory, in bytes, that this process ever held."""
    nearest(drawn_embeddings(rows, 0), drawn_embeddings(rows, 1), [f"{row:06d}" for row in range(rows)], COUNT)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def drawn_embeddings(rows: int, seed: int) -> Floats:
    """Vectors (rows, SIZE) of length 1 around the same 5,000 centres, as of images of so many antibodies."""
    centres = np.random.default_rng(0).standard_normal((5000, SIZE), np.float32)
    generator = np.random.default_rng([1, seed])
    vectors = centres[generator.integers(len(centres), size=rows)] + generator.standard_normal((rows, SIZE), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
