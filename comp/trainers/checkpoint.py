"""The full state of a training run, so that one killed at any moment ends with the same weights as one never killed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim import Optimizer

from comp.files import atomic_write


@dataclass
class TrainingState:
    """What changes while training; `step` is the place in the run, and data order follows from it.

    Attributes:
        identity: hash of all that determines the run; a checkpoint with another one is not this run's.
        losses: the mean training loss of each finished epoch.
        loss_sum: the sum over the steps of the epoch under way, on the device, so that no step waits for it.
        seconds: the time that training took, up to the last checkpoint.
    """

    identity: str
    model: nn.Module
    ema: ModelEmaV3
    optimizer: Optimizer
    step: int
    losses: list[float]
    loss_sum: Tensor
    seconds: float

    def end_epoch(self, steps: int) -> None:
        self.losses.append(self.loss_sum.item() / steps)
        self.loss_sum.zero_()

    def mean_loss(self, per_epoch: int) -> float:
        """Of the epoch under way, or of the last one where it has just begun."""
        done = self.step % per_epoch
        return self.loss_sum.item() / done if done else self.losses[-1]

    def save(self, path: Path) -> None:
        state = {
            "identity": self.identity,
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "loss_sum": self.loss_sum,
            "seconds": self.seconds,
            "generators": _generators(),
        }
        with atomic_write(path) as file:
            torch.save(state, file)

    def resume(self, path: Path) -> bool:
        """Take over the state at `path`; False if there is none, or it belongs to another experiment, fold map or data."""
        if not path.is_file():
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["identity"] != self.identity:
            return False
        self.model.load_state_dict(state["model"])
        self.ema.module.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.losses, self.seconds = state["step"], state["losses"], state["seconds"]
        self.loss_sum.copy_(state["loss_sum"])
        torch.set_rng_state(state["generators"]["cpu"])
        if "cuda" in state["generators"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["generators"]["cuda"])
        return True


def _generators() -> dict[str, Any]:
    """PyTorch's generators (dropout); NumPy's are made anew from (seed, fold, epoch, step) for every batch."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states
