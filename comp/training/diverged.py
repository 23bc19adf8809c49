"""The error for a training that diverged, in the same words for every trainer: what happened, and what to lower."""

from comp.base.errors import CompError
from comp.competition.experiments.experiment import NetworkExperiment
from comp.training.trainer import Run, trainer_of


def diverged(experiment: NetworkExperiment, run: Run, what: str, good_epochs: int) -> CompError:
    """The error that stops a fold.

    Args:
        what: what is not finite, and where: "the loss is nan in epoch 3".
        good_epochs: how many epochs were finished with a finite loss.
    """
    good = f"the last good epoch is {good_epochs}" if good_epochs else "there is no good epoch before it"
    kept = f", {run.checkpoint} is from before" if run.checkpoint.exists() else ""
    lower = what_to_lower(experiment, run.device) + (", with RESTART=1" if kept else "")
    return CompError(f"{experiment.model} fold {run.fold}: training diverged, {what} ({good}{kept})", lower)


def what_to_lower(experiment: NetworkExperiment, device: str) -> str:
    """What to type so that training may not diverge: a third of the learning rate, and fp32 if it computed in bf16 or fp16."""
    lower = f'lower the learning rate: SET="train.lr={experiment.train.lr / 3:.2g}"'
    if trainer_of(experiment).precision(experiment, device).startswith(("bf16", "fp16")):
        return f'{lower}, or compute in full precision: SET="train.precision=fp32"'
    return lower
