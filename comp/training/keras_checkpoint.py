"""The full state of a Keras training run: an interrupted run that resumes ends with the same network weights as one never interrupted."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from comp.base.quiet_tensorflow import keras
from comp.training.checkpoint_file import read_checkpoint, write_checkpoint
from comp.training.trainer import Run

KNOWN = ("step", "losses", "loss_sum", "seconds")


@dataclass
class KerasState:
    """What changes during training. `step` counts the batches done; the order of the data follows from it.

    Attributes:
        run: says what the training is made from; a checkpoint that was made from something else does not fit.
        model: compiled and with a built optimizer. Its variables include the states of its random generators.
        losses: the mean training loss of each finished epoch.
        loss_sum: the sum over the steps of the current epoch.
        seconds: the training time up to the last checkpoint.
    """

    run: Run
    model: keras.Model
    step: int = 0
    losses: list[float] = field(default_factory=list)
    loss_sum: float = 0.0
    seconds: float = 0.0

    def end_epoch(self, steps: int) -> None:
        self.losses.append(self.loss_sum / steps)
        self.loss_sum = 0.0

    def save(self) -> None:
        known = {key: getattr(self, key) for key in KNOWN}
        arrays = {name: np.atleast_1d(variable.numpy()) for name, variable in self._variables().items()}
        arrays["state"] = np.frombuffer(json.dumps(known).encode(), np.uint8)
        write_checkpoint(self.run, self.seconds, len(self.losses), lambda file: file.write(save(arrays)))

    def resume(self) -> bool:
        """Load the run's checkpoint. False if there is none, it is damaged, or the run is to start anew.

        Raises:
            PredictionError: it was made from something else, and the run does not ask to start anew.
        """
        content = read_checkpoint(self.run)
        if content is None:
            return False
        arrays = load(content)
        known = json.loads(arrays["state"].tobytes())
        for name, variable in self._variables().items():
            variable.assign(arrays[name].reshape(variable.shape))
        self.step, self.losses, self.loss_sum, self.seconds = (known[key] for key in KNOWN)
        return True

    def _variables(self) -> dict[str, Any]:
        """Network weights, running statistics, random generators and the optimizer's moments, numbered: names in Keras may repeat."""
        every = [*self.model.variables, *self.model.optimizer.variables]
        return {f"{number:05d}": variable for number, variable in enumerate(every)}
