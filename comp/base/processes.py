"""Processes that work side by side: how many, and how they end."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def follow_parent() -> None:
    """In a worker: end when the parent ends, however it ends, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns in a fresh process, which ends with it."""
    with worker_pool(1, follow_parent) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def worker_pool(count: int, start: Callable[..., None], *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes, each begun with `start(*arguments)`, which should `follow_parent`.

    Ctrl-C ends them at once, without waiting for the pool: what they do goes on from its last checkpoint the next time. After an
    error nothing new starts, and what is under way ends.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=start, initargs=arguments)
    try:
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
