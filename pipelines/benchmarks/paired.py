"""Paired measurements: the sides take turns, so that whatever else the machine does meets them alike.

A ratio is taken within each round, then the median of the rounds. A side measured against itself is the control (A/A): how far
its ratio lies from 1 is what this measurement cannot resolve.
"""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.progress import track
from comp.workers import cores

Side = Callable[[], float]  # works once and returns the seconds that count
Seconds = NDArray[np.float64]  # (rounds,)
PATIENCE = 600.0  # seconds that processes wait for one another, a network's first step included


def timed(work: Callable[[], object], clock: Callable[[], float] = perf_counter) -> Side:
    """A side all of whose work counts."""

    def side() -> float:
        started = clock()
        work()
        return clock() - started

    return side


def take_turns(sides: Mapping[str, Side], number: int, seconds: Mapping[str, list[float]]) -> None:
    """One round; each round starts with another side."""
    names = list(sides)
    first = number % len(names)
    for name in names[first:] + names[:first]:
        seconds[name].append(sides[name]())


def alternate(sides: Mapping[str, Side], rounds: int, label: str) -> dict[str, Seconds]:
    """The seconds of each side in each round; one more round before them warms up and is left out."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in track(range(rounds + 1), label, rounds + 1, "round"):
        take_turns(sides, number, seconds)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def on_all_cores(one_process: Callable[[Any, int, Callable[[], Any]], dict[str, Seconds]], plan: Any) -> dict[str, Seconds]:
    """The seconds of each side of `one_process(plan, slot, meet)` in a process a core, the rounds of all processes in a row.

    `meet` waits until all processes are there, so that they are at the same side at the same time.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(cores(), context) as pool:
        barrier = manager.Barrier(cores(), timeout=PATIENCE)
        waiting = [pool.submit(one_process, plan, slot, barrier.wait) for slot in range(cores())]
        found = [future.result() for future in waiting]
    return {side: np.concatenate([seconds[side] for seconds in found]) for side in found[0]}


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios, with its 95 % bootstrap interval over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numerator: Seconds, denominator: Seconds) -> "Ratio":
        ratios = numerator / denominator
        drawn = np.random.default_rng(0).choice(ratios, (4000, len(ratios)))
        low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
        return cls(float(np.median(ratios)), float(low), float(high))

    def __str__(self) -> str:
        digits = 1 if self.median >= 10 else 3
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"
