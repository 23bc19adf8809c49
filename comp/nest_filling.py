"""Filling nests on all cores: which folds are fitted where does not change what comes out."""

from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import combinations

from threadpoolctl import threadpool_limits

from comp.errors import CompError
from comp.nest import Fitted, FoldSet, Nest
from comp.progress import track
from comp.workers import follow_parent, worker_pool

Job = tuple[int, FoldSet]  # the number of the nest, and the folds to fit on

_nests: Sequence[Nest] = ()  # this worker's


def fill_inner(nests: Sequence[Nest], workers: int) -> None:
    """Fit the sub-stacks of the nests on every set of folds, so that whoever needs them next finds them."""
    inner = [each for nest in nests for each in nest.inner.values()]
    if not inner:
        return
    sizes = range(1, len(nests[0].folds) + 1)
    jobs = [(number, frozenset(kept)) for number, nest in enumerate(inner) for size in sizes for kept in combinations(nest.folds, size)]
    fill(inner, jobs[::-1], workers, "stacks among the models")


def fill(nests: Sequence[Nest], jobs: Sequence[Job], workers: int, label: str = "nested folds") -> None:
    """Fit every job's candidates, in this process or side by side in several, behind a progress bar.

    Raises:
        CompError: a process was killed from outside.
    """
    if workers == 1:
        for number, kept in track(jobs, label, unit="fit"):
            nests[number].fit(kept)
        return
    try:
        with worker_pool(workers, _start_worker, nests) as pool:
            futures = {pool.submit(_fit, job): job for job in jobs}
            for future in track(as_completed(futures), label, len(jobs), "fit"):
                number, kept = futures[future]
                nests[number].fitted[kept] = future.result()
    except BrokenProcessPool:
        raise CompError("a process that fits candidates was killed from outside", "if memory ran out, use WORKERS=1") from None


def _start_worker(nests: Sequence[Nest]) -> None:
    global _nests
    follow_parent()
    threadpool_limits(1)  # a process a core: more threads would only contend
    _nests = nests


def _fit(job: Job) -> Fitted:
    number, kept = job
    fitted = _nests[number].fit(kept)
    del _nests[number].fitted[kept]  # here it would only take memory
    return fitted
