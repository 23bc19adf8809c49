"""What the training of a model will take: time, disk and memory, from a few steps on this machine; and what will not fit."""

import multiprocessing
import os
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from comp.base.errors import ConfigError
from comp.base.machine import disk_of, free_memory
from comp.base.paths import Paths
from comp.base.processes import follow_parent, in_own_process, worker_pool
from comp.base.progress import say
from comp.competition.experiments.cell_experiment import CellExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.training.engines.local_engine import broken_pools_explained, how_many_workers
from comp.training.fold_cost import SCRATCH, FoldCost, Measurement, fold_cost
from comp.training.fold_inputs import input_channels_of
from comp.training.fold_job import FoldJob
from comp.training.plan_inputs import PlanImages, planned_images, planned_inputs
from comp.training.prepare import check_experiment, check_networks

SECONDS = 15.0  # of timed steps

_together: threading.Barrier  # at which the processes of a plan wait for each other


@dataclass(frozen=True)
class Plan:
    """What the training of a model will take.

    Attributes:
        folds: how many there are, `workers` of them side by side.
        costs: what a fold costs, as each process side by side found it.
        images: those that are in a cache, and those that are not yet.
        free_memory: bytes.
    """

    job: FoldJob
    experiment: NetworkExperiment
    folds: int
    workers: int
    costs: tuple[FoldCost, ...]
    images: PlanImages
    free_memory: int

    @property
    def cost(self) -> FoldCost:
        """That of the slowest process."""
        return max(self.costs, key=lambda cost: cost.seconds)

    @property
    def rounds(self) -> int:
        return -(-self.folds // self.workers)

    @property
    def cache_seconds(self) -> float:
        return self.images.missing * (self.images.seconds or 0.0)

    @property
    def seconds(self) -> float:
        """All folds, with the cache if it is missing."""
        return self.cache_seconds + self.rounds * (self.cost.start + self.cost.seconds)

    @property
    def kept(self) -> int:
        """Bytes that stay of a fold."""
        return self.cost.predictions + (self.cost.weights if self.job.keep else 0)

    @property
    def memory(self) -> int:
        """Bytes of all processes side by side."""
        return sum(cost.memory for cost in self.costs)

    def disks(self) -> list[tuple[int, int]]:
        """Of each disk: the bytes that are still to be written to it at most, and those that are free."""
        paths, needed, free = Paths(self.job.competition), defaultdict[int, int](int), {}
        places = {
            paths.cache("train", self.experiment.size): self.images.missing_bytes,
            paths.oof(): self.folds * self.kept,
            paths.run(self.job.model, 0): self.workers * 2 * self.cost.checkpoint,  # a new one is written beside the old one
        }
        for place, size in places.items():
            disk, free[disk] = disk_of(place)
            needed[disk] += size
        return [(needed[disk], free[disk]) for disk in needed]


def plan_of(job: FoldJob, workers: int | None, seconds: float = SECONDS) -> Plan:
    """Measure what the training of all folds of a model will take. Everything it writes is temporary.

    Args:
        seconds: how long steps are timed, if they are quick.

    Raises:
        ConfigError: the model cannot be trained, or has no network.
        DataError: there are no tables.
        CompError: a step does not fit into memory, or training diverged.
    """
    competition, experiment, _ = job.load()
    check_experiment(competition, experiment)
    if not isinstance(experiment, NetworkExperiment):
        raise ConfigError(f"{job.model} trains no network, so there is nothing to plan", "name a model that does: MODEL=densenet121")
    if isinstance(experiment, CellExperiment):
        what = f"{job.model} sees cells, and what they cost cannot be planned yet"
        raise ConfigError(what, "plan the same backbone on whole images: MODEL=efficientnet-lite0")
    experiment = experiment.model_copy(update={"initial_weights": SCRATCH})  # initial weights change no cost, and may not be there yet
    channels = len(input_channels_of(competition, experiment))
    networks = [(experiment, channels, False)]
    if experiment.own_process:
        in_own_process(check_networks, networks)
    else:
        check_networks(networks)
    with tempfile.TemporaryDirectory(prefix="plan-") as name:
        folder = Path(name)
        folds = planned_inputs(job, experiment, folder).tables.folds.count
        images = planned_images(competition, experiment, folder)
        workers = how_many_workers([experiment], workers, folds)
        side_by_side = f"in {workers} processes side by side" if workers > 1 else "in one process"
        say(f"timing some steps of {job.model}, {side_by_side}")
        asked = [Measurement(job, experiment, images, folder / str(slot), time.monotonic(), slot, seconds) for slot in range(workers)]
        costs = _measured(asked)
    return Plan(job, experiment, folds, workers, costs, images, free_memory())


def _measured(asked: list[Measurement]) -> tuple[FoldCost, ...]:
    """What a fold costs, by each of the processes side by side."""
    os.environ["OMP_NUM_THREADS"] = str(asked[0].experiment.train.threads)  # as in training
    together = multiprocessing.get_context("spawn").Barrier(len(asked))
    with broken_pools_explained(), worker_pool(len(asked), _begin, together) as pool:
        ended = [pool.submit(_measure, each) for each in asked]
        errors = [error for future in ended if (error := future.exception())]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error
        return tuple(future.result() for future in ended)


def _begin(together: threading.Barrier) -> None:
    global _together
    follow_parent()
    _together = together


def _measure(asked: Measurement) -> FoldCost:
    return fold_cost(asked, _together)
