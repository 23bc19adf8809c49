"""Some steps of a fold's training by its own trainer, timed, on rows of the fold, with a checkpoint in another folder."""

import time
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.progress import LogBar
from comp.competition.experiments.experiment import NetworkExperiment
from comp.images.batches import Batches
from comp.training.curve import validation_seconds
from comp.training.trainer import FoldData, Run, Trained, trainer_of
from comp.training.validation import SHARE

BETWEEN_STOPS = 8  # steps of a GPU, which is waited for only then, as in training


@dataclass(frozen=True)
class ShortFold(FoldData):
    """A fold, of whose training rows an epoch takes only some.

    Attributes:
        some: rows of the train table.
    """

    some: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def batches(self, experiment: NetworkExperiment, fold: int) -> Batches:
        return replace(super().batches(experiment, fold), rows=self.some)


class Stops(LogBar):
    """In place of a progress bar: notes when steps have ended."""

    def __init__(self, times: list[float], every: int) -> None:
        self.times, self.every, self.steps = times, every, 0
        super().__init__(disable=True)
        self.times.append(time.monotonic())

    def update(self, n: float | None = 1) -> bool:
        """Whether the loss is to be waited for, and shown."""
        self.steps += 1
        return self.steps % self.every == 0

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        self.times.append(time.monotonic())


@dataclass(frozen=True)
class TimedRun(Run):
    """A run that notes when it began, and when each `every` steps had ended."""

    every: int = 1
    times: list[float] = field(default_factory=list)

    def bar(self, experiment: NetworkExperiment, per_epoch: int, step: int) -> LogBar:
        return Stops(self.times, self.every)


@dataclass(frozen=True)
class TimedSteps:
    """A short training.

    Attributes:
        build: seconds before its first step: building the network, and what else comes before it.
        first: seconds that the first steps took longer than later ones.
        step: seconds of a step.
        validated: seconds of validating an image.
    """

    trained: Trained
    build: float
    first: float
    step: float
    validated: float


def timed_steps(experiment: NetworkExperiment, data: FoldData, run: Run, steps: int) -> TimedSteps:
    """Train for about `steps` steps, at least three stops.

    Args:
        data: all of the fold.
    """
    every = 1 if run.device == "cpu" else BETWEEN_STOPS
    size, steps = experiment.train.batch_size, max(steps, 4 * every)
    rows = data.train[np.unique(np.linspace(0, len(data.train) - 1, min(steps * size, len(data.train))).astype(int))]
    epochs = -(-steps // max(len(rows) // size, 1))
    changes: dict[str, Any] = {"epochs": epochs, "validations": 1}
    short = experiment.model_copy(update={"train": experiment.train.model_copy(update=changes), "rare": None})
    validated = data.held_out[: int(SHARE / 2 * steps * size)]  # so few that they are validated
    fold = ShortFold(**{name: getattr(data, name) for name in FoldData.__dataclass_fields__} | {"some": rows, "held_out": validated})
    timed = TimedRun(**{name: getattr(run, name) for name in Run.__dataclass_fields__} | {"every": every})
    began = time.monotonic()
    trained = trainer_of(experiment).train(short, fold, timed)
    start, *stops = timed.times
    step = float(np.mean([later - earlier for earlier, later in pairwise(stops[:-1])])) / every  # validation comes before the last stop
    seconds = validation_seconds(timed.curve)
    return TimedSteps(trained, start - began, max(stops[0] - start - every * step, 0.0), step, seconds / max(len(validated), 1))
