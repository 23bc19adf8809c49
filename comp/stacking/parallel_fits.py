"""Fit the candidates of nested cross-validations in several processes. The results do not depend on the number of processes."""

from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import combinations

from threadpoolctl import threadpool_limits

from comp.base.errors import CompError
from comp.base.processes import follow_parent, worker_pool
from comp.base.progress import track
from comp.stacking.nested_cv import Fitted, FoldSet, NestedCV

Job = tuple[int, FoldSet]  # the number of the cross-validation, and the folds to fit on

_all_nested: Sequence[NestedCV] = ()  # those of this worker process


def fit_substacks(all_nested: Sequence[NestedCV], workers: int) -> None:
    """Fit the sub-stacks on every set of folds."""
    inner = [each for nested in all_nested for each in nested.inner.values()]
    if not inner:
        return
    sizes = range(1, len(all_nested[0].folds) + 1)
    jobs = [(number, frozenset(kept)) for number, nested in enumerate(inner) for size in sizes for kept in combinations(nested.folds, size)]
    fit_all(inner, jobs[::-1], workers, "stacks among the models")


def fit_all(all_nested: Sequence[NestedCV], jobs: Sequence[Job], workers: int, label: str = "nested folds") -> None:
    """Fit the candidates of every job, with a progress bar: in this process, or in several if `workers` is not 1.

    Raises:
        CompError: a process was killed from outside.
    """
    if workers == 1:
        for number, kept in track(jobs, label, unit="fit"):
            all_nested[number].fit(kept)
        return
    try:
        with worker_pool(workers, _start_worker, all_nested) as pool:
            futures = {pool.submit(_fit, job): job for job in jobs}
            for future in track(as_completed(futures), label, len(jobs), "fit"):
                number, kept = futures[future]
                all_nested[number].fitted[kept] = future.result()
    except BrokenProcessPool:
        raise CompError("a process that fits candidates was killed from outside", "if memory ran out, use WORKERS=1") from None


def _start_worker(all_nested: Sequence[NestedCV]) -> None:
    global _all_nested
    follow_parent()
    threadpool_limits(1)  # one process per core: more threads would compete for it
    _all_nested = all_nested


def _fit(job: Job) -> Fitted:
    number, kept = job
    fitted = _all_nested[number].fit(kept)
    del _all_nested[number].fitted[kept]  # the parent process keeps it; here it would only take memory
    return fitted
