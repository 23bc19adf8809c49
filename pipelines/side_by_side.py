"""Folds trained side by side: one a GPU, or one for each so many cores as a fold uses."""

import multiprocessing
import os
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from multiprocessing.queues import SimpleQueue

from tqdm import tqdm

from comp.errors import CompError
from comp.workers import cores, follow_parent, worker_pool
from pipelines.training import Request, train_fold, trainer_of

_slot = 0  # this worker's GPU and line of the terminal


def train_side_by_side(requests: list[Request], workers: int | None) -> None:
    """Train the requests on `workers` processes, each of which imports its framework once.

    The first error stops what has not started; folds under way end, and what is complete stays.
    """
    _, experiment, _ = requests[0].load()
    threads = experiment.train.threads
    workers = min(workers or trainer_of(experiment).devices() or max(cores() // threads, 1), len(requests))
    if workers == 1:
        for request in requests:
            train_fold(request)
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when a worker imports its framework: contended threads spin
    context = multiprocessing.get_context("spawn")
    slots = context.SimpleQueue()
    for slot in range(workers):
        slots.put(slot)
    try:
        with worker_pool(workers, start_worker, slots, context.RLock()) as pool:
            for future in as_completed([pool.submit(train_in_slot, request) for request in requests]):
                future.result()
    except BrokenProcessPool:
        then = "if memory ran out, use WORKERS=1; the same command goes on where this one was"
        raise CompError("a training process was killed from outside", then) from None


def start_worker(slots: "SimpleQueue[int]", terminal: AbstractContextManager[bool]) -> None:
    """Take a slot, and share the terminal with the other workers' progress bars."""
    global _slot
    follow_parent()
    _slot = slots.get()
    tqdm.set_lock(terminal)


def train_in_slot(request: Request) -> None:
    train_fold(request, _slot)
