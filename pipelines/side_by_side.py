"""Folds trained side by side: one a GPU, or one for each so many cores as a fold uses."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.queues import SimpleQueue

from tqdm import tqdm

from comp.errors import CompError
from comp.experiment import NetworkExperiment, OnEmbeddings
from comp.workers import cores, follow_parent, in_own_process, worker_pool
from pipelines.fold_files import Request
from pipelines.training import train_fold, trainer_of

_slot = 0  # this worker's GPU and line of the terminal


def train_side_by_side(requests: list[Request], workers: int | None) -> None:
    """Train the requests on `workers` processes, those that stand on other models last.

    Those that need a process of their own do not mix with the others: their frameworks do not go together. The first error stops what has
    not started; folds under way end, and what is complete stays.
    """
    groups: dict[tuple[bool, bool, bool], list[Request]] = {}
    for request in requests:
        experiment = request.load()[1]
        kind = (isinstance(experiment, OnEmbeddings), isinstance(experiment, NetworkExperiment), experiment.own_process)
        groups.setdefault(kind, []).append(request)
    for (_, is_network, _), group in sorted(groups.items(), key=lambda kind_and_group: kind_and_group[0][0]):
        if is_network:
            train_group(group, workers)
        else:
            for request in group:
                train_fold(request)


def train_group(requests: list[Request], workers: int | None) -> None:
    """Train networks of one framework; where it leaves memory behind, no process trains twice."""
    experiments = [experiment for request in requests if isinstance(experiment := request.load()[1], NetworkExperiment)]
    single_use, threads = experiments[0].own_process, max(experiment.train.threads for experiment in experiments)
    gpus = in_own_process(devices, experiments[0]) if single_use else devices(experiments[0])
    workers = min(workers or gpus or max(cores() // threads, 1), len(requests))
    if workers == 1 and not single_use:
        for request in requests:
            train_fold(request)
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when a worker imports its framework: contended threads spin
    with broken_pools_explained():
        (train_apart if single_use else train_in_pool)(requests, workers)


def train_in_pool(requests: list[Request], workers: int) -> None:
    """Each process trains one request after another."""
    context = multiprocessing.get_context("spawn")
    slots = context.SimpleQueue()
    for slot in range(workers):
        slots.put(slot)
    with worker_pool(workers, start_worker, slots, context.RLock()) as pool:
        for future in as_completed([pool.submit(train_in_slot, request) for request in requests]):
            future.result()


def train_apart(requests: list[Request], workers: int) -> None:
    """Each request has a process of its own, which takes a slot and gives it back."""
    context = multiprocessing.get_context("spawn")
    slots, terminal = context.SimpleQueue(), context.RLock()
    for slot in range(workers):
        slots.put(slot)

    def alone(request: Request) -> None:
        with worker_pool(1, start_worker, slots, terminal) as pool:
            slots.put(pool.submit(train_in_slot, request).result())

    threads = ThreadPoolExecutor(workers)
    try:
        for future in as_completed([threads.submit(alone, request) for request in requests]):
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
    try:
        yield
    except BrokenProcessPool:
        then = "if memory ran out, use WORKERS=1; the same command goes on where this one was"
        raise CompError("a training process was killed from outside", then) from None


def devices(experiment: NetworkExperiment) -> int:
    """How many GPUs the experiment's trainer sees."""
    found: int = trainer_of(experiment).devices()
    return found


def start_worker(slots: "SimpleQueue[int]", terminal: AbstractContextManager[bool]) -> None:
    """Take a slot, and share the terminal with the other workers' progress bars."""
    global _slot
    follow_parent()
    _slot = slots.get()
    tqdm.set_lock(terminal)


def train_in_slot(request: Request) -> int:
    """Train, and say in which slot."""
    train_fold(request, _slot)
    return _slot
