"""The full state of a Keras training run: an interrupted run that resumes ends with the same network weights as one never interrupted."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from comp.base.quiet_tensorflow import keras
from comp.training.checkpoint_file import belongs, read_checkpoint, write_checkpoint


@dataclass
class KerasState:
    """What changes during training. `step` counts the batches done; the order of the data follows from it.

    Attributes:
        fingerprint: hash of everything that determines the run; a checkpoint with another fingerprint belongs to another run.
        model: compiled and with a built optimizer. Its variables include the states of its random generators.
        losses: the mean training loss of each finished epoch.
        loss_sum: the sum over the steps of the current epoch.
        seconds: the training time up to the last checkpoint.
    """

    fingerprint: str
    model: keras.Model
    step: int = 0
    losses: list[float] = field(default_factory=list)
    loss_sum: float = 0.0
    seconds: float = 0.0

    def end_epoch(self, steps: int) -> None:
        self.losses.append(self.loss_sum / steps)
        self.loss_sum = 0.0

    def save(self, path: Path) -> None:
        known = {key: getattr(self, key) for key in ("fingerprint", "step", "losses", "loss_sum", "seconds")}
        arrays = {name: np.atleast_1d(variable.numpy()) for name, variable in self._variables().items()}
        arrays["state"] = np.frombuffer(json.dumps(known).encode(), np.uint8)
        write_checkpoint(path, lambda file: file.write(save(arrays)))

    def resume(self, path: Path) -> bool:
        """Load the state at `path`. False if there is none, it is damaged, or it belongs to another experiment, fold map or data."""
        content = read_checkpoint(path)
        if content is None:
            return False
        arrays = load(content)
        known = json.loads(arrays["state"].tobytes())
        if not belongs(path, known["fingerprint"], self.fingerprint):
            return False
        for name, variable in self._variables().items():
            variable.assign(arrays[name].reshape(variable.shape))
        self.step, self.losses, self.loss_sum, self.seconds = (known[key] for key in ("step", "losses", "loss_sum", "seconds"))
        return True

    def _variables(self) -> dict[str, Any]:
        """Network weights, running statistics, random generators and the optimizer's moments, numbered: names in Keras may repeat."""
        every = [*self.model.variables, *self.model.optimizer.variables]
        return {f"{number:05d}": variable for number, variable in enumerate(every)}
