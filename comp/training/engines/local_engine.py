"""The engine on this machine: folds side by side, one on each GPU, or as many as there are cores for."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.queues import SimpleQueue

from tqdm import tqdm

from comp.base.errors import CompError
from comp.base.processes import cores, follow_parent, in_own_process, share_cores, worker_pool
from comp.competition.experiments.experiment import NetworkExperiment
from comp.training.engines.engine import EngineOptions, in_stages
from comp.training.fold_job import FoldJob
from comp.training.train_fold import train_fold
from comp.training.trainer import trainer_of

_slot = 0  # this worker's GPU and line of the terminal


def check(jobs: list[FoldJob]) -> None:
    """Nothing to check: this machine is there."""


def train(jobs: list[FoldJob], options: EngineOptions) -> None:
    """Train the jobs in `options.workers` processes, as `comp.training.engines.engine` says.

    Models that need a process for every network are trained apart from the others, because their frameworks cannot be loaded together.
    """
    for stage in in_stages(jobs):
        groups: dict[tuple[bool, bool], list[FoldJob]] = {}
        for job in stage:
            experiment = job.load()[1]
            groups.setdefault((isinstance(experiment, NetworkExperiment), experiment.own_process), []).append(job)
        for (is_network, _), group in groups.items():
            if is_network:
                train_group(group, options.workers)
            else:
                for job in group:
                    train_fold(job)


def train_group(jobs: list[FoldJob], workers: int | None) -> None:
    """Train networks of one framework. If the framework keeps memory, no process trains twice."""
    experiments = [experiment for job in jobs if isinstance(experiment := job.load()[1], NetworkExperiment)]
    single_use, threads = experiments[0].own_process, max(experiment.train.threads for experiment in experiments)
    workers = how_many_workers(experiments, workers, len(jobs))
    if workers == 1 and not single_use:
        for job in jobs:
            train_fold(job)
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when a worker imports its framework: too many threads slow each other down
    with broken_pools_explained():
        (train_apart if single_use else train_in_pool)(jobs, workers)


def how_many_workers(experiments: list[NetworkExperiment], asked: int | None, jobs: int) -> int:
    """How many folds train side by side: as many as asked for, else one a GPU, else one a core; no more than there are jobs.

    Networks that several devices train together take so many more of them.
    """
    if asked:
        return min(asked, jobs)
    first, threads = experiments[0], max(experiment.train.threads for experiment in experiments)
    together = max(experiment.devices for experiment in experiments)
    gpus = in_own_process(devices, first) if first.own_process else devices(first)
    return min(max((gpus or cores() // threads) // together, 1), jobs)


def train_in_pool(jobs: list[FoldJob], workers: int) -> None:
    """Each process trains one job after another."""
    context = multiprocessing.get_context("spawn")
    slots = context.SimpleQueue()
    for slot in range(workers):
        slots.put(slot)
    with worker_pool(workers, start_worker, slots, context.RLock(), workers) as pool:
        for future in as_completed([pool.submit(train_in_slot, job) for job in jobs]):
            future.result()


def train_apart(jobs: list[FoldJob], workers: int) -> None:
    """Each job has a process of its own, which takes a slot and gives it back."""
    context = multiprocessing.get_context("spawn")
    slots, terminal = context.SimpleQueue(), context.RLock()
    for slot in range(workers):
        slots.put(slot)

    def alone(job: FoldJob) -> None:
        with worker_pool(1, start_worker, slots, terminal, workers) as pool:
            slots.put(pool.submit(train_in_slot, job).result())

    threads = ThreadPoolExecutor(workers)
    try:
        for future in as_completed([threads.submit(alone, job) for job in jobs]):
            future.result()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            for worker in multiprocessing.active_children():
                worker.kill()
        threads.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    threads.shutdown()


@contextmanager
def broken_pools_explained() -> Iterator[None]:
    """Turn the error of a killed worker into one line that says what to type."""
    try:
        yield
    except BrokenProcessPool:
        then = "if memory ran out, use WORKERS=1; the same command resumes from the last checkpoint"
        raise CompError("a training process was killed from outside", then) from None


def devices(experiment: NetworkExperiment) -> int:
    """How many GPUs the experiment's trainer sees."""
    found: int = trainer_of(experiment).devices()
    return found


def start_worker(slots: "SimpleQueue[int]", terminal: AbstractContextManager[bool], workers: int) -> None:
    """Take a slot, and share the cores with the other workers, and the terminal with their progress bars."""
    global _slot
    follow_parent()
    share_cores(workers)
    _slot = slots.get()
    tqdm.set_lock(terminal)


def train_in_slot(job: FoldJob) -> int:
    """Train in this process's slot, and return the slot."""
    train_fold(job, _slot)
    return _slot
