"""Worker processes: how many there can be, and how they end."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any

QUIET_TRACKER = "ignore:resource_tracker"  # else Python's helper process warns, after Ctrl-C, of semaphores that it cleans up


_sharing = 1  # processes that work side by side on the cores of this one


def cores() -> int:
    """The cores this process may use: its share, if others work beside it."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(there // _sharing, 1)


def share_cores(processes: int) -> None:
    """Say that this process is one of several that share the cores equally."""
    global _sharing
    _sharing = processes


@contextmanager
def beside(count: int, function: Callable[..., None], *arguments: Any) -> Iterator[list[SpawnProcess]]:
    """Processes that run `function(number, *arguments)`, numbered from 1, during the block. If the block fails, they are killed."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=function, args=(number, *arguments), daemon=True) for number in range(1, count + 1)]
    try:
        for process in processes:
            process.start()
        yield processes
    except BaseException:
        for process in processes:
            if process.pid is not None:
                process.kill()
        raise
    finally:
        for process in processes:
            if process.pid is not None:
                process.join()


def follow_parent() -> None:
    """Call this in a worker: it ends when its parent ends, for whatever reason, and ignores Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _block_interrupts(signal.SIG_UNBLOCK)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run `function` in a new process and return its result; the process then ends."""
    with worker_pool(1, follow_parent) as pool:
        return pool.submit(function, *arguments).result()


def _block_interrupts(how: int) -> None:
    """Hold back Ctrl-C for this thread, or let it through; Windows has no such thing."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(how, {signal.SIGINT})


@contextmanager
def worker_pool(count: int, start: Callable[..., None], *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool of new processes. Each first calls `start(*arguments)`, which should call `follow_parent`.

    Ctrl-C kills them at once, since work resumes from its last checkpoint. After an error no new work starts; running work is finished.
    """
    os.environ.setdefault("PYTHONWARNINGS", QUIET_TRACKER)
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=start, initargs=arguments)
    try:
        _block_interrupts(signal.SIG_BLOCK)  # a worker inherits this, so that Ctrl-C does not interrupt its start
        try:
            for _ in range(count):
                pool.submit(int)  # starts a worker
        finally:
            _block_interrupts(signal.SIG_UNBLOCK)
        yield pool
    except KeyboardInterrupt:
        for worker in multiprocessing.active_children():
            worker.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()
