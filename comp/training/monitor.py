"""What stands beside a training loop, for any framework: the progress bar, validation, the curve, the check for divergence, checkpoints."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comp.competition.experiments.experiment import NetworkExperiment
from comp.training.curve import Curve
from comp.training.diverged import diverged
from comp.training.trainer import FoldData, Run
from comp.training.validation import ValidationPlan

Scores = dict[str, float]  # columns of the curve
CHECK_SECONDS = 1.0  # between checks of the loss on a GPU: each one waits for it
SHOWN = {"validation_loss": "validation loss", "macro_f1": "macro F1", "votes_average_precision": "votes' AP", "psnr": "PSNR"}


class State(Protocol):
    """The part of a training state that a monitor reads and writes; `loss_sum` is a number, or a tensor of one."""

    step: int
    losses: list[float]
    loss_sum: Any
    seconds: float

    def end_epoch(self, steps: int) -> None: ...

    def save(self) -> None: ...


@dataclass(frozen=True)
class Watched:
    """The network that is trained.

    Attributes:
        validate: the scores, on rows of the train table, of the network weights that would predict. It must leave training as it is.
        is_finite: whether all network weights are finite.
    """

    validate: Callable[[NDArray[np.int64]], Scores]
    is_finite: Callable[[], bool]


class Bystander:
    """In the place of a monitor, in a process that trains together with the one that has it."""

    def __enter__(self) -> "Bystander":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def after_step(self, rate: float) -> None:
        pass

    def finish(self) -> None:
        pass


class Monitor:
    """Follows one run: enter it, call `after_step` after every step, and `finish` at the end.

    Args:
        per_epoch: steps an epoch.
        state: as the run's checkpoint has it, if there is one.
    """

    def __init__(self, experiment: NetworkExperiment, run: Run, data: FoldData, per_epoch: int, state: State, watched: Watched) -> None:
        settings = experiment.train
        self.experiment, self.run, self.per_epoch, self.state, self.watched = experiment, run, per_epoch, state, watched
        self.plan = ValidationPlan.of(settings.validations, per_epoch * settings.epochs, settings.batch_size, data.held_out)
        self.curve = Curve(run.curve, state.step)
        self.bar = run.bar(experiment, per_epoch, state.step)
        self.first, self.trained_before = state.step, state.seconds
        self.validated_before = self.validated = self.curve.newest("validation_seconds") or 0.0
        self.started = self.saved = self.checked = time.monotonic()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.close()

    def after_step(self, rate: float, note: str = "") -> None:
        """Do what is due after a step that was made with the learning rate `rate`; `note` is added to the bar.

        Raises:
            CompError: training has diverged.
        """
        state, now = self.state, time.monotonic()
        epoch_ends, validates = state.step % self.per_epoch == 0, state.step in self.plan.steps
        saves = now - self.saved >= 60 * self.run.minutes
        shown = self.bar.update(self.experiment.train.batch_size)
        due = self.run.device == "cpu" or now - self.checked >= CHECK_SECONDS
        if not (shown or epoch_ends or validates or saves or due):
            return
        self.checked = now
        loss = self._mean_loss()
        if epoch_ends:
            state.end_epoch(self.per_epoch)
        if validates or epoch_ends:
            self.curve.add(self._row(loss, rate, self._scores() if validates else {}))
        if shown:
            newest = ((name, self.curve.newest(column)) for column, name in SHOWN.items())
            values = [f"loss {loss:.4f}", *(f"{name} {value:.4f}" for name, value in newest if value is not None)]
            self.bar.set_postfix_str(", ".join(values) + note, refresh=False)
        if saves:
            self._save()

    def finish(self) -> None:
        """Save the last state, unless it is the one that the run resumed from."""
        if self.state.step > self.first:
            self._save()

    def _mean_loss(self) -> float:
        """The mean loss of the current epoch so far. A loss that was not finite leaves a sum that is not finite."""
        done = (self.state.step - 1) % self.per_epoch + 1
        loss = float(self.state.loss_sum) / done
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}")
        return loss

    def _diverged(self, what: str) -> Exception:
        epoch = (self.state.step - 1) // self.per_epoch + 1
        return diverged(self.experiment, self.run, f"{what} in epoch {epoch}", min(len(self.state.losses), epoch - 1))

    def _scores(self) -> Scores:
        started = time.monotonic()
        scores = self.watched.validate(self.plan.rows)
        self.validated += time.monotonic() - started
        return {**scores, "validation_seconds": round(self.validated, 3)}

    def _row(self, loss: float, rate: float, scores: Scores) -> dict[str, float]:
        step = self.state.step
        return {
            "epoch": math.ceil(step / self.per_epoch), "step": step, "images": step * self.experiment.train.batch_size,
            "seconds": round(self._seconds(), 3), "learning_rate": rate, "training_loss": loss, **scores,
        }  # fmt: skip

    def _seconds(self) -> float:
        """The training time, without that of validation."""
        return self.trained_before + time.monotonic() - self.started - (self.validated - self.validated_before)

    def _save(self) -> None:
        if not self.watched.is_finite():
            raise self._diverged("a network weight is not finite")
        self.saved = time.monotonic()
        self.state.seconds = self._seconds()
        self.state.save()
