"""The full state of a PyTorch training run: an interrupted run that resumes ends with the same network weights as one never interrupted."""

import io
from dataclasses import dataclass
from typing import Any

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from comp.inference.weights import Weights
from comp.training.checkpoint_file import read_checkpoint, write_checkpoint
from comp.training.torch_update import Update
from comp.training.trainer import Run, Trained


@dataclass
class TrainingState:
    """What changes during training. `step` counts the batches done; the order of the data follows from it.

    Attributes:
        run: says what the training is made from; a checkpoint that was made from something else does not fit.
        losses: the mean training loss of each finished epoch.
        loss_sum: the sum over the steps of the current epoch, kept on the device so that no step waits for it.
        seconds: the training time up to the last checkpoint.
    """

    run: Run
    model: nn.Module
    ema: ModelEmaV3
    update: Update
    step: int
    losses: list[float]
    loss_sum: Tensor
    seconds: float

    def trained(self, weights: Weights) -> Trained:
        """What the finished training returns."""
        settings, update = self.update.experiment.train, self.update
        skipped = int(update.skipped) if update.scaler.is_enabled() else None
        return Trained(weights, self.losses, self.seconds, self.step * settings.batch_size, skipped)

    def end_epoch(self, steps: int) -> None:
        self.losses.append(self.loss_sum.item() / steps)
        self.loss_sum.zero_()

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimizer": self.update.optimizer.state_dict(),
            "scaler": self.update.scaler.state_dict(),
            "skipped": self.update.skipped,
            "step": self.step,
            "losses": self.losses,
            "loss_sum": self.loss_sum,
            "seconds": self.seconds,
            "generators": _generators(),
        }
        write_checkpoint(self.run, self.seconds, len(self.losses), lambda file: torch.save(state, file))

    def resume(self) -> bool:
        """Load the run's checkpoint. False if there is none, it is damaged, or the run is to start anew.

        Raises:
            PredictionError: it was made from something else, and the run does not ask to start anew.
        """
        content = read_checkpoint(self.run)
        if content is None:
            return False
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.ema.module.load_state_dict(state["ema"])
        self.update.optimizer.load_state_dict(state["optimizer"])
        if "scaler" in state:  # checkpoints of earlier versions have none
            self.update.scaler.load_state_dict(state["scaler"])
            self.update.skipped.copy_(state["skipped"])
        self.step, self.losses, self.seconds = state["step"], state["losses"], state["seconds"]
        self.loss_sum.copy_(state["loss_sum"])
        torch.set_rng_state(state["generators"]["cpu"])
        if "cuda" in state["generators"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["generators"]["cuda"])
        return True


def _generators() -> dict[str, Any]:
    """PyTorch's random generators (dropout). NumPy's are seeded with (seed, fold, epoch, step) for every batch and need no saving."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states
