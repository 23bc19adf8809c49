"""Paired measurements: the sides take turns, so that other work on the machine slows all of them alike.

A ratio is computed within each round; the result is the median over the rounds. A side measured against itself is the control (A/A):
the distance of its ratio from 1 is the noise of the measurement.
"""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.processes import cores
from comp.base.progress import track

Side = Callable[[], float]  # works once and returns the seconds to count
Seconds = NDArray[np.float64]  # (rounds,)
PATIENCE = 600.0  # seconds that processes wait for each other; includes the first step of a network


def timed(work: Callable[[], object], clock: Callable[[], float] = perf_counter) -> Side:
    """A side that counts all the time of `work`."""

    def side() -> float:
        started = clock()
        work()
        return clock() - started

    return side


def take_turns(sides: Mapping[str, Side], number: int, seconds: Mapping[str, list[float]]) -> None:
    """Run one round; each round starts with another side."""
    names = list(sides)
    first = number % len(names)
    for name in names[first:] + names[:first]:
        seconds[name].append(sides[name]())


def alternate(sides: Mapping[str, Side], rounds: int, label: str) -> dict[str, Seconds]:
    """The seconds of each side in each round. One more round comes first as a warm-up and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in track(range(rounds + 1), label, rounds + 1, "round"):
        take_turns(sides, number, seconds)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def on_all_cores(one_process: Callable[[Any, int, Callable[[], Any]], dict[str, Seconds]], plan: Any) -> dict[str, Seconds]:
    """The seconds of each side of `one_process(plan, slot, meet)`, run in one process per core; the rounds of all processes in a row.

    `meet` waits for all processes, so that all measure the same side at the same time.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(cores(), context) as pool:
        barrier = manager.Barrier(cores(), timeout=PATIENCE)
        waiting = [pool.submit(one_process, plan, slot, barrier.wait) for slot in range(cores())]
        found = [future.result() for future in waiting]
    return {side: np.concatenate([seconds[side] for seconds in found]) for side in found[0]}


@dataclass(frozen=True)
class Ratio:
    """The median ratio over the rounds, with its 95 % bootstrap interval."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numerator: Seconds, denominator: Seconds) -> "Ratio":
        ratios = numerator / denominator
        resampled = np.random.default_rng(0).choice(ratios, (4000, len(ratios)))
        low, high = np.quantile(np.median(resampled, axis=1), [0.025, 0.975])
        return cls(float(np.median(ratios)), float(low), float(high))

    def __str__(self) -> str:
        digits = 1 if self.median >= 10 else 3
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"
