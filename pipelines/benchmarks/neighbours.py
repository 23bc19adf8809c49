"""The search for neighbours against the plain matrix product that it needs, at the size of the competition."""

import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np

from comp.neighbours import Floats, nearest
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

    def search(part: Floats) -> None:
        nearest(part, candidates, ids, COUNT)

    def over_parts(work: Callable[[Floats], None]) -> Callable[[], object]:
        turns = cycle(parts)
        return lambda: work(next(turns))

    sides = {name: timed(over_parts(work)) for name, work in (("search", search), ("product", product), ("product again", product))}
    seconds = alternate(sides, PARTS, "neighbours")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        peak = fresh.submit(peak_of_search, rows).result()
    name = f"{COUNT} neighbours of {rows:,} among {rows:,} x {SIZE}"
    note = f"{PARTS * np.median(seconds['search']):.0f} and {PARTS * np.median(seconds['product']):.0f} s for all, on one core"
    ratio, control = Ratio.of(seconds["product"], seconds["search"]), Ratio.of(seconds["product"], seconds["product again"])
    return [
        at_least(0.7, f"{name}, speed: search / matrix product", ratio, control, note),
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
